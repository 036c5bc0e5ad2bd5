"""What is measured, each part by itself."""

from collections.abc import Callable

from .. import builds
from ..context import Context, Json
from . import growth, instances, memory, middleware, password, speed, start, task

ALL: dict[str, Callable[[Context], Json]] = {
    "speed": speed.run,
    "memory": memory.run,
    "start": start.run,
    "password": password.run,
    "middleware": middleware.run,
    "instances": instances.run,
    "growth": growth.run,
    "task": task.run,
}


def prepare(name: str) -> None:
    """Builds first, so that no compiler runs beside a measurement."""
    builds.slipway()
    builds.tool("load")
    if name in ("speed", "memory", "start"):
        builds.tool("axum-peer")
        builds.fastapi_python()
    if name == "password":
        builds.tool("bare-argon2")
    if name == "middleware":
        middleware.build()
