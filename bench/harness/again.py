"""Whether another run finds what the results file holds: each goal's figure, and the other ratios to peers."""

from dataclasses import dataclass

from .context import Json
from .goals import judge_all, throughput
from .servers import TITLES
from .statistics import Spread
from .tables import spread

# Ratios that are no goal.
OTHERS = [("me", "axum"), ("refresh", "axum"), ("refresh", "fastapi"), ("login", "axum"), ("login", "fastapi")]
# Memory hardly varies within a run, and by so much between two runs of the same.
NOTHING = 0.02


@dataclass(frozen=True)
class Comparison:
    """A figure that both runs have."""

    what: str
    then: Spread
    now: Spread

    @property
    def is_found_again(self) -> bool:
        """Whether the spreads have values in common, or next to nothing lies between them."""
        slack = NOTHING * abs(self.then.median)
        return self.then.low <= self.now.high + slack and self.now.low <= self.then.high + slack

    def __str__(self) -> str:
        state = "again" if self.is_found_again else "NOT AGAIN"
        return f"{state}: {self.what}: {spread(self.then)} then, {spread(self.now)} now"


def compare(then: Json, now: Json) -> list[Comparison]:
    """Ratios only: seconds and megabytes of a whole process are the machine's as much as the server's."""
    figures_then, figures_now = figures(then), figures(now)
    return [Comparison(what, value, figures_now[what]) for what, value in figures_then.items() if what in figures_now]


def figures(results: Json) -> dict[str, Spread]:
    goals = {verdict.goal.text: verdict.value for verdict in judge_all(results) if verdict.value}
    if "speed" not in results:
        return goals
    found = {"speed": results["speed"]["found"]}
    ratios = {f"/{route}, direct, over {TITLES[peer]}": throughput(route, "slipway", peer) for route, peer in OTHERS}
    return goals | {what: measure(found) for what, measure in ratios.items()}
