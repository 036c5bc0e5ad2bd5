"""What a request to AWS asks for: service, operation and parameters, read as the service reads them, by botocore's model of
it. moto has the parsers, for each protocol one."""

import io
from dataclasses import dataclass
from urllib.parse import parse_qs

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

# The name that a request is signed for => the name of the service's model in botocore, where they differ.
MODELS = {"elasticfilesystem": "efs", "elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}


class Unreadable(Exception):
    """No operation of the service, or parameters that are not of the kind that its model says."""


@dataclass
class Call:
    service: str
    operation: str
    parameters: dict
    protocol: str
    key: str
    """Whose: the access key's id."""

    @property
    def shape(self):
        return get_service_model(self.service).operation_model(self.operation).input_shape


def signer(environ: dict) -> tuple[str, str] | None:
    """The access key and the service that a request is signed for: in a header, or in the address of a presigned one.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html"""
    header = environ.get("HTTP_AUTHORIZATION", "")
    [scope] = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])
    if header.startswith("AWS4-HMAC-SHA256"):
        scope = header.partition("Credential=")[2].partition(",")[0]
    if not scope:
        return None
    key, _, _, service, _ = scope.split("/")
    return key, MODELS.get(service, service)


def read_call(environ: dict) -> Call | None:
    """None for what is not signed, such as a look at moto itself. Leaves the body to be read once more."""
    signed = signer(environ)
    if signed is None:
        return None
    key, service = signed
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    request = Request(environ | {"wsgi.input": io.BytesIO(body)})
    try:
        protocol = determine_request_protocol(get_service_model(service), request.content_type)
        if protocol == "smithy-rpc-v2-cbor":
            # The newest of boto3's protocols, which neither the provider nor the CLI of the tests speaks.
            return Call(service, environ["PATH_INFO"].rpartition("/")[2], {}, protocol, key)
        operation, labels = get_service_router(service).match(request)
        data = b"" if has_streaming_body(operation) else request.data
        asked = {"method": request.method, "values": request.values, "headers": request.headers, "body": data,
                 "url_path": request.path, "url_params": labels}
        parameters = PROTOCOL_PARSERS[protocol](operation).parse(asked)
    except (HTTPException, ValueError, TypeError, AttributeError, KeyError) as problem:
        raise Unreadable(f"{service} cannot read {environ['REQUEST_METHOD']} {environ['PATH_INFO']}: {problem!r}") from problem
    return Call(service, operation.name, parameters, protocol, key)


def has_streaming_body(operation) -> bool:
    """Such as an object of S3, which may be anything."""
    return operation.has_streaming_input
