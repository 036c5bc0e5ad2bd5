"""RESULTS.md, the charts and the figures in the README: all drawn from the results file, so that they cannot differ from
it."""

import re
from pathlib import Path

from . import chart, tables
from .context import Json, say
from .goals import Verdict, judge_all
from .machine import ROOT

README = ROOT / "README.md"
MARKS = ("<!-- figures: drawn by bench/run -->\n", "<!-- end of figures -->\n")


def write(results: Json, folder: Path | None = None) -> None:
    """Into the repository or, for a try, into a folder. Prints how the goals stand."""
    target = folder or ROOT / "bench"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in drawn(results).items():
        (target / name).write_text(text)
    if folder is None:
        README.write_text(with_figures(README.read_text(), figures(results)))
    for verdict in judge_all(results):
        say(goal_line(verdict))


def drawn(results: Json) -> dict[str, str]:
    """Name and text of each file."""
    files = {"RESULTS.md": results_page(results)} if results else {}
    if "speed" in results:
        files |= {f"chart-{scheme}.svg": chart.draw(results, scheme) for scheme in chart.SCHEMES}
    return files


def results_page(results: Json) -> str:
    parts = [
        "# What was measured",
        "Drawn by `bench/run` from [results.json](results.json). What each figure means and how it is measured is in "
        "[README.md](README.md). Figures are medians of the rounds, with the least and the greatest in brackets.",
        tables.when_and_where(results),
        "## Goals",
        tables.goals(judge_all(results)),
    ]
    for name, section in tables.SECTIONS.items():
        if name in results:
            parts += [section(results[name]["found"])]
    return "\n\n".join(parts) + "\n"


def is_whole(results: Json) -> bool:
    """Whether the README may quote it: no try, and nothing missing of what it quotes."""
    needed = ("speed", "memory", "start")
    return all(name in results and not results[name]["measured"]["quick"] for name in needed)


def figures(results: Json) -> str:
    """What stands between the marks of the README."""
    if not is_whole(results):
        return ""
    return f"{tables.summary(results)}\n\n{PICTURE}\n"


PICTURE = """<picture>
  <source media="(prefers-color-scheme: dark)" srcset="bench/chart-dark.svg">
  <img alt="Requests a second on one core, by route and server; the figures are in bench/RESULTS.md" src="bench/chart-light.svg">
</picture>"""


def with_figures(readme: str, text: str) -> str:
    """The README with its figures replaced."""
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise ValueError(f"README.md should have {MARKS[0].strip()} and {MARKS[1].strip()} once each")
    return pattern.sub(lambda _: MARKS[0] + text + MARKS[1], readme)


def goal_line(verdict: Verdict) -> str:
    state = {True: "reached", False: "MISSED", None: "not measured"}[verdict.reached]
    value = f" {tables.spread(verdict.value)} {verdict.goal.unit}" if verdict.value else ""
    return f"{state}: {verdict.goal.text}:{value} (goal: {tables.bound(verdict.goal)})"
