"""Limits that stand in AWS's documentation and in no model. Where nothing else is named, the source is the documentation
of the parameter in botocore's own data (botocore/data/SERVICE/*/service-2.json), which AWS's API references are made from."""

import re
from collections.abc import Callable, Iterator
from math import inf

Rule = Callable[[dict], Iterator[str]]


def name(parameter: str, pattern: str, most: int, forbidden: str = r"(?!)", optional: bool = False) -> Rule:
    """`forbidden` is looked for in what has the right form otherwise."""

    def rule(asked: dict) -> Iterator[str]:
        value = asked.get(parameter)
        if value is None and optional:
            return
        if not re.fullmatch(pattern, value or "") or len(value) > most or re.search(forbidden, value):
            yield f"The parameter {parameter} is not valid: '{value}' (at most {most} characters, {pattern}, without {forbidden})"

    return rule


def between(parameter: str, least: int, most: float) -> Rule:
    def rule(asked: dict) -> Iterator[str]:
        value = asked.get(parameter)
        if value is not None and not least <= value <= most:
            yield f"{parameter} must be between {least} and {most}, and is {value}"

    return rule


def each(members: str, *rules: Rule) -> Rule:
    """The rules for every item of a list, or for the one structure that is there."""

    def rule(asked: dict) -> Iterator[str]:
        items = asked.get(members) or []
        for item in [items] if isinstance(items, dict) else items:
            for inner in rules:
                yield from (f"{members} {item.get('name', '')}: {problem}" for problem in inner(item))

    return rule


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
# CPU units => the least and the most MiB of memory, and the step between them, apart from what is listed first.
FARGATE = {
    256: ({512, 1024, 2048}, None), 512: (None, (1024, 4096, 1024)), 1024: (None, (2048, 8192, 1024)),
    2048: (None, (4096, 16384, 1024)), 4096: (None, (8192, 30720, 1024)), 8192: (None, (16384, 61440, 4096)),
    16384: (None, (32768, 122880, 8192)),
}


def is_of_fargate(asked: dict) -> bool:
    return "FARGATE" in asked.get("requiresCompatibilities", [])


def fargate_size(asked: dict) -> Iterator[str]:
    if not is_of_fargate(asked):
        return
    cpu, memory = int(asked.get("cpu") or 0), int(asked.get("memory") or 0)
    listed, steps = FARGATE.get(cpu, (set(), None))
    if memory not in (listed or range(steps[0], steps[1] + 1, steps[2]) if steps or listed else ()):
        yield f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."


def fargate_containers(asked: dict) -> Iterator[str]:
    """Start: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html#ECS-Type-ContainerDefinition-startTimeout
    Memory: what is reserved for the containers is part of the task's."""
    if not is_of_fargate(asked):
        return
    if asked.get("networkMode") != "awsvpc":
        yield "Fargate only supports network mode 'awsvpc'."
    yield from each("containerDefinitions", between("startTimeout", 2, 120), between("stopTimeout", 0, 120))(asked)
    reserved = sum(item.get("memoryReservation") or item.get("memory") or 0 for item in asked["containerDefinitions"])
    if reserved > int(asked.get("memory") or 0):
        yield f"The containers reserve {reserved} MiB, more than the task's {asked.get('memory')}"


def containers_depend_on_each_other(asked: dict) -> Iterator[str]:
    """A container that another waits for as HEALTHY needs a health check, as SUCCESS or COMPLETE must not be essential
    (ContainerDependency.condition)."""
    there = {item["name"]: item for item in asked["containerDefinitions"]}
    if not any(item.get("essential", True) for item in there.values()):
        yield "At least one container must be essential"
    for item in there.values():
        for wait in item.get("dependsOn", []):
            other = there.get(wait["containerName"])
            if other is None:
                yield f"Container {item['name']} depends on {wait['containerName']}, which is not in the task definition"
            elif wait["condition"] == "HEALTHY" and "healthCheck" not in other:
                yield f"Container {item['name']} waits for {other['name']} to be healthy, which has no health check"
            elif wait["condition"] in ("SUCCESS", "COMPLETE") and other.get("essential", True):
                yield f"Container {item['name']} waits for the end of {other['name']}, which is essential"


def deployment_moves(asked: dict) -> Iterator[str]:
    """With neither a task more nor a task less than wanted, no deployment can ever replace one.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html"""
    settings = asked.get("deploymentConfiguration", {})
    least, most = settings.get("minimumHealthyPercent", 100), settings.get("maximumPercent", 200)
    if most <= least or most < 100:
        yield f"maximumPercent {most} leaves no room over minimumHealthyPercent {least}"
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html
    if asked.get("availabilityZoneRebalancing") == "ENABLED" and most <= 100:
        yield "availabilityZoneRebalancing needs a maximumPercent above 100"


def one_base(asked: dict) -> Iterator[str]:
    with_base = [item for item in asked.get("capacityProviderStrategy", []) if item.get("base")]
    if len(with_base) > 1:
        yield "Only one capacity provider in a strategy can have a base"
    if with_base and asked.get("launchType"):
        yield "A launchType and a capacityProviderStrategy exclude each other"


def database_password(asked: dict) -> Iterator[str]:
    password = asked.get("MasterUserPassword")
    if password is not None and (not 8 <= len(password) <= 128 or not re.fullmatch(r'[!#-.0-?A-~]+', password)):
        yield "MasterUserPassword is not 8 to 128 printable ASCII characters without / \" @ and space"


def cache_password(asked: dict) -> Iterator[str]:
    password = asked.get("AuthToken")
    if password is not None and not re.fullmatch(r"[A-Za-z0-9!&#$^<>-]{16,128}", password):
        yield "AuthToken is not 16 to 128 letters, digits and !&#$^<>-"
    if password is not None and not asked.get("TransitEncryptionEnabled"):
        yield "AuthToken needs TransitEncryptionEnabled"


def health_check_timeout(asked: dict) -> Iterator[str]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html: less than the interval."""
    if asked.get("HealthCheckTimeoutSeconds", 5) >= asked.get("HealthCheckIntervalSeconds", 30):
        yield "Health check interval must be greater than the timeout."


def alarm_period(asked: dict) -> Iterator[str]:
    period = asked.get("Period")
    if period is not None and period not in (10, 20, 30) and period % 60:
        yield f"Period {period} is neither 10, 20, 30 nor a multiple of 60"
    # A day at most for periods under an hour, seven days above: PutMetricAlarm's EvaluationPeriods.
    if (period or 0) * asked.get("EvaluationPeriods", 1) > (86400 if (period or 0) < 3600 else 7 * 86400):
        yield "Period times EvaluationPeriods is more than a day (with periods of an hour or more: seven)"
    if asked.get("DatapointsToAlarm", 0) > asked.get("EvaluationPeriods", inf):
        yield "DatapointsToAlarm is more than EvaluationPeriods"


def attribute(key: str, least: int, most: int) -> Rule:
    """Of a load balancer or a target group: all are strings."""

    def rule(asked: dict) -> Iterator[str]:
        for item in asked.get("Attributes", []):
            if item.get("Key") == key and not (item["Value"].isdigit() and least <= int(item["Value"]) <= most):
                yield f"{key} must be between {least} and {most}, and is {item['Value']}"

    return rule


ECS_NAME = r"[A-Za-z0-9_-]+"
TWO_HYPHENS = r"--|-$"  # no two in a row, and none at the end
EC2_TEXT = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*"
SERVICE = [deployment_moves, one_base, between("healthCheckGracePeriodSeconds", 0, 2**31 - 1)]
RULES_OF_A_GROUP = [each("IpPermissions", each("IpRanges", name("Description", EC2_TEXT, 255, optional=True)),
                         each("UserIdGroupPairs", name("Description", EC2_TEXT, 255, optional=True)))]
# A target group's and a load balancer's.
BALANCER_NAME = name("Name", r"[A-Za-z0-9-]+", 32, r"^-|-$|^internal-")

DOCUMENTED: dict[tuple[str, str], list[Rule]] = {
    ("cloudwatch", "PutMetricAlarm"): [alarm_period],
    ("ec2", "AuthorizeSecurityGroupEgress"): RULES_OF_A_GROUP,
    ("ec2", "AuthorizeSecurityGroupIngress"): RULES_OF_A_GROUP,
    ("ec2", "CreateSecurityGroup"): [name("GroupName", EC2_TEXT, 255, r"^sg-|^$"), name("Description", EC2_TEXT, 255, r"^$")],
    ("ecs", "CreateCluster"): [name("clusterName", ECS_NAME, 255)],
    ("ecs", "CreateService"): [name("serviceName", ECS_NAME, 255), *SERVICE],
    ("ecs", "RegisterTaskDefinition"): [
        name("family", ECS_NAME, 255), fargate_size, fargate_containers, containers_depend_on_each_other,
        each("containerDefinitions", name("name", ECS_NAME, 255), each("restartPolicy", between("restartAttemptPeriod", 60, 1800)), each(
            "healthCheck", between("interval", 5, 300), between("timeout", 2, 60), between("retries", 1, 10), between("startPeriod", 0, 300))),
    ],
    ("elasticache", "CreateReplicationGroup"): [name("ReplicationGroupId", r"[A-Za-z][A-Za-z0-9-]*", 40, TWO_HYPHENS), cache_password],
    ("elbv2", "CreateLoadBalancer"): [BALANCER_NAME],
    ("elbv2", "CreateTargetGroup"): [BALANCER_NAME, health_check_timeout],
    ("elbv2", "ModifyLoadBalancerAttributes"): [attribute("idle_timeout.timeout_seconds", 1, 4000)],
    ("elbv2", "ModifyTargetGroup"): [health_check_timeout],
    ("elbv2", "ModifyTargetGroupAttributes"): [
        attribute("deregistration_delay.timeout_seconds", 0, 3600), attribute("slow_start.duration_seconds", 0, 900),
    ],
    ("rds", "CreateDBInstance"): [
        name("DBInstanceIdentifier", r"[A-Za-z][A-Za-z0-9-]*", 63, TWO_HYPHENS), database_password, between("BackupRetentionPeriod", 0, 35),
        name("DBName", r"[A-Za-z_][A-Za-z0-9_]*", 63), name("MasterUsername", r"[A-Za-z_][A-Za-z0-9_]*", 63),
    ],
    ("rds", "CreateDBParameterGroup"): [name("DBParameterGroupName", r"[A-Za-z][A-Za-z0-9-]*", 255, TWO_HYPHENS)],
    ("rds", "CreateDBSubnetGroup"): [name("DBSubnetGroupName", r"[A-Za-z][A-Za-z0-9._ -]*", 255, r"^default$")],
    ("rds", "ModifyDBInstance"): [database_password, between("BackupRetentionPeriod", 0, 35)],
    # Names of buckets: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    ("s3", "CreateBucket"): [name("Bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", 63, r"\.\.|^xn--|^sthree-|-s3alias$|--ol-s3$|^[0-9.]+$")],
    ("sns", "CreateTopic"): [name("Name", r"[A-Za-z0-9_-]+(\.fifo)?", 256)],
}
