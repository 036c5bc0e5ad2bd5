"""What the server should reach, as ratios within one run, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from .context import Json
from .statistics import Spread, ratio

MB = 1_000_000


@dataclass(frozen=True)
class Goal:
    text: str
    # "at least" or "at most".
    at_least: bool
    bound: float
    unit: str
    # What was measured; KeyError when that section was not run.
    measure: Callable[[Json], Spread]

    def judge(self, found: Json) -> "Verdict":
        try:
            value = self.measure(found)
        except KeyError:
            return Verdict(self, None, None)
        reached = value.median >= self.bound if self.at_least else value.median <= self.bound
        return Verdict(self, value, reached)


@dataclass(frozen=True)
class Verdict:
    goal: Goal
    # Neither is known while its section has not been measured.
    value: Spread | None
    reached: bool | None


def peaks(found: Json, route: str, name: str) -> list[float]:
    return [sample["per_second"] for sample in found["speed"]["peak"][route][name]]


def throughput(route: str, ours: str, theirs: str, their_route: str | None = None) -> Callable[[Json], Spread]:
    return lambda found: ratio(peaks(found, route, ours), peaks(found, their_route or route, theirs))


def megabytes(found: Json, name: str, *keys: str) -> Spread:
    """The most of these states, by round."""
    rounds = zip(*(found["memory"][name][key] for key in keys))
    return Spread.of([max(sizes) / MB for sizes in rounds])


def task_when_idle(found: Json) -> Spread:
    """All parts, by start."""
    return Spread.of([sum(sizes) / MB for sizes in zip(*found["task"]["idle"].values())])


def health_in_a_storm(found: Json) -> Spread:
    return Spread.of([told["health"]["p99"] / 1000 for told in found["speed"]["storm"]["slipway"]])


def login_over_hash(found: Json) -> Spread:
    password = found["password"]
    spread = ratio(password["login_cpu_us"], password["hash_cpu_us"])
    return Spread(*(100 * (value - 1) for value in (spread.median, spread.low, spread.high)))


def growth(found: Json) -> Spread:
    """Of the route whose median grew most: largest size over smallest, in per cent."""
    told = found["growth"]
    small, large = str(told["sizes"][0]), str(told["sizes"][-1])
    by_route = [
        ratio(*([sample["p50"] for sample in sizes[size]] for size in (large, small)))
        for sizes in told["afterwards"].values()
    ]
    worst = max(by_route, key=lambda spread: spread.median)
    return Spread(*(100 * (value - 1) for value in (worst.median, worst.low, worst.high)))


GOALS = [
    Goal("/hello, direct, over FastAPI's", True, 30, "x", throughput("hello", "slipway", "fastapi")),
    Goal("/hello, direct, over axum's with the same middleware", True, 0.95, "x", throughput("hello", "slipway", "axum")),
    Goal("/me, direct, over FastAPI's", True, 20, "x", throughput("me", "slipway", "fastapi")),
    Goal(
        "/hello through nginx, over what its nginx answers by itself",
        True,
        0.6,
        "x",
        throughput("hello", "container", "container", "fixed"),
    ),
    Goal("p99 of /health in a login storm", False, 50, "ms", health_in_a_storm),
    Goal(
        "PSS at the peak of /hello, /me and /refresh",
        False,
        25,
        "MB",
        lambda found: megabytes(found, "slipway", "peak_hello", "peak_me", "peak_refresh"),
    ),
    Goal("PSS of the whole task, idle", False, 90, "MB", task_when_idle),
    Goal("processor time of a login, over the bare hash's", False, 5, "% more", login_over_hash),
    Goal(
        "PSS for 10,000 idle connections",
        False,
        60,
        "MB",
        lambda found: megabytes(found, "slipway", "idle_connections"),
    ),
    Goal("p50 of login, me or refresh with most users, over the fewest", False, 20, "% more", growth),
]


def judge_all(results: Json) -> list[Verdict]:
    found = {name: section["found"] for name, section in results.items()}
    return [goal.judge(found) for goal in GOALS]


def middle(samples: list[Json], key: str) -> float:
    return median(sample[key] for sample in samples)
