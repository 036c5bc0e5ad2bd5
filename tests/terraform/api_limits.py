"""What AWS refuses, and moto takes: see README.md here for what of it is enforced and what is not."""

import re
from collections.abc import Iterator
from functools import cache

from api_calls import Call
from documented_limits import DOCUMENTED

# Of Java's classes of characters, which Python does not know, the ones in the models, inside of brackets. \w and \s say the
# same as \p{L}\p{N}_ and \p{Z} but for a few characters that no name of ours has.
JAVA = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{Print}": r"[\x20-\x7e]", r"\p{ASCII}": r"[\x00-\x7f]",
        r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff"}


@cache
def compiled(pattern: str) -> re.Pattern | None:
    """None where Python has no such expression: a test lists them."""
    for java, python in JAVA.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern.replace(r"[\w-\/", r"[\w\-\/").replace(r"[\w-_]", r"[\w\-_]"))
    except re.error:
        return None


def problems(call: Call) -> list[str]:
    """Why the service refuses the call; empty when it does not."""
    if call.protocol == "smithy-rpc-v2-cbor":
        return []
    found = [] if call.shape is None else list(against_the_model(call.parameters, call.shape, ""))
    return found + [problem for rule in DOCUMENTED.get((call.service, call.operation), ()) for problem in rule(call.parameters)]


TYPES = {"string": str, "integer": int, "long": int, "float": (int, float), "double": (int, float), "boolean": bool,
         "structure": dict, "map": dict, "list": list}


def against_the_model(value, shape, path: str) -> Iterator[str]:
    """By the members of a shape that botocore's model has: required, min, max, pattern and enum. botocore itself asks its
    callers for the first two only, and Terraform's provider for none."""
    expected = TYPES.get(shape.type_name)
    if expected and (not isinstance(value, expected) or isinstance(value, bool) != (expected is bool)):
        yield f"Value at '{path}' is not a {shape.type_name}: {value!r}"
    elif shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"Value null at '{path}.{name}'".replace("'.", "'") + " failed to satisfy constraint: Member must not be null"
        for name in value.keys() & shape.members.keys():
            yield from against_the_model(value[name], shape.members[name], f"{path}.{name}".strip("."))
    elif shape.type_name == "list":
        yield from size(len(value), shape, path)
        for index, item in enumerate(value, 1):
            yield from against_the_model(item, shape.member, f"{path}.{index}")
    elif shape.type_name == "map":
        yield from size(len(value), shape, path)
        for key, item in value.items():
            yield from against_the_model(key, shape.key, f"{path} (key {key})")
            yield from against_the_model(item, shape.value, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from of_a_string(value, shape, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from size(value, shape, path, "value")


def of_a_string(value: str, shape, path: str) -> Iterator[str]:
    yield from size(len(value), shape, path)
    pattern = shape.metadata.get("pattern")
    expression = compiled(pattern) if pattern else None
    # The whole of it has to match, as with Java's matches().
    if expression and not expression.fullmatch(value):
        yield f"Value '{shown(value, shape)}' at '{path}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
    if shape.enum and value not in shape.enum:
        yield f"Value '{shown(value, shape)}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: {shape.enum}"


def size(number, shape, path: str, what: str = "length") -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and number < least:
        yield f"Value at '{path}' failed to satisfy constraint: Member must have {what} greater than or equal to {least}"
    if most is not None and number > most:
        yield f"Value at '{path}' failed to satisfy constraint: Member must have {what} less than or equal to {most}"


def shown(value: str, shape) -> str:
    return "***" if shape.metadata.get("sensitive") else value
