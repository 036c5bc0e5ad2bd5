"""A fake AWS that refuses what AWS refuses: stands before moto, looks at each request, and answers a wrong one itself."""

import json
from xml.sax.saxutils import escape

from api_calls import Call, Unreadable, read_call
from api_limits import problems

# What a service calls a request that it does not take (Common Errors in the API reference of each), else one by protocol.
CODES = {
    "ecs": "ClientException", "elasticache": "InvalidParameterValue", "logs": "InvalidParameterException", "rds": "InvalidParameterValue",
    "s3": "InvalidRequest", "sns": "InvalidParameter", "route53": "InvalidInput",
}
CODES_BY_PROTOCOL = {"ec2": "InvalidParameterValue", "query": "ValidationError"}


def refusing(application, calls: list[Call], refused: list[str]):
    """Notes down every call that got through, and what was refused."""

    def answer(environ, start_response):
        try:
            call = read_call(environ)
            wrong = problems(call) if call else []
        except Unreadable as problem:
            call, wrong = Call("", "", {}, "json", ""), [str(problem)]
        if wrong:
            refused.extend(f"{call.service}:{call.operation}: {problem}" for problem in wrong)
            return refusal(call, wrong, start_response)
        if call:
            calls.append(call)
        return application(environ, start_response)

    return answer


def refusal(call: Call, wrong: list[str], start_response) -> list[bytes]:
    """In the form of the protocol, or a client would only say that it cannot read the answer."""
    code = CODES.get(call.service, CODES_BY_PROTOCOL.get(call.protocol, "ValidationException"))
    message = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected: {'; '.join(wrong)}"
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if call.protocol == "ec2":
        body, kind = f"<Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>", "text/xml"
    elif call.service == "s3":
        body, kind = error, "application/xml"
    elif call.protocol in ("query", "rest-xml"):
        body, kind = f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>", "text/xml"
    else:
        body, kind = json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.1"
    start_response("400 Bad Request", [("Content-Type", kind), ("x-amzn-ErrorType", code)])
    return [body.encode()]
