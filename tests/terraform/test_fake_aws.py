"""What the fake AWS does where moto's server would report a failure that AWS does not have."""

import socket

import pytest
from botocore.exceptions import ClientError

from aws import FakeAws


def losing_the_answers_of(operation: str):
    """A network on which the first answer to each call of `operation` is lost, after it was carried out."""
    lost = set()

    def network(application):
        def answer(environ, start_response):
            body = application(environ, start_response)
            call = environ["HTTP_AMZ_SDK_INVOCATION_ID"]
            if environ["HTTP_X_OPERATION"] == operation and call not in lost:
                lost.add(call)
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return body

        return answer

    network.lost = lost
    return network


@pytest.fixture
def network():
    return losing_the_answers_of("RevokeSecurityGroupIngress")


@pytest.fixture
def ec2(network):
    client = FakeAws(network).client("ec2")
    name_the_operation = lambda params, model, **_: params["headers"].update({"X-Operation": model.name})
    client.meta.events.register("before-call.ec2.*", name_the_operation)
    return client


@pytest.fixture
def rule(ec2) -> dict:
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
    world = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    made = ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[world])
    return {"GroupId": group["GroupId"], "SecurityGroupRuleIds": [made["SecurityGroupRules"][0]["SecurityGroupRuleId"]]}


def test_an_attempt_after_a_lost_answer_gets_that_answer(ec2, network, rule) -> None:
    assert ec2.revoke_security_group_ingress(**rule)["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(network.lost) == 1


def test_a_new_call_is_carried_out_and_refused_where_there_is_nothing_any_more(ec2, rule) -> None:
    ec2.revoke_security_group_ingress(**rule)
    with pytest.raises(ClientError, match="InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(**rule)
