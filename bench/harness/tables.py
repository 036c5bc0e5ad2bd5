"""Tables of RESULTS.md, one function for each section."""

from collections.abc import Callable, Iterable
from statistics import median

from .context import Json
from .goals import MB, Goal, Verdict, peaks
from .servers import TITLES
from .statistics import Spread, ratio


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Three digits that count, and no more than are there."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(value: Spread) -> str:
    if value.low == value.high:
        return number(value.median)
    return f"{number(value.median)} ({number(value.low)} to {number(value.high)})"


def bound(goal: Goal) -> str:
    return f"{'at least' if goal.at_least else 'at most'} {goal.bound:g} {goal.unit}"


def goals(verdicts: list[Verdict]) -> str:
    words = {True: "reached", False: "**missed**", None: "not measured"}
    rows = [
        [
            verdict.goal.text,
            bound(verdict.goal),
            f"{spread(verdict.value)} {verdict.goal.unit}" if verdict.value else "-",
            words[verdict.reached],
        ]
        for verdict in verdicts
    ]
    return table(["goal", "bound", "measured", ""], rows)


def when_and_where(results: Json) -> str:
    rows = []
    for name, section in results.items():
        measured = section["measured"]
        quick = ", a try of the harness whose figures are worth nothing" if measured["quick"] else ""
        state = f"{measured['seconds']} s, load average at the end {measured['load_average']}{quick}"
        rows.append([name, measured["date"], measured["commit"], state])
    machines = {tuple(section["measured"]["machine"].items()) for section in results.values()}
    about = [", ".join(f"{name} {value}" for name, value in machine) for machine in sorted(machines)]
    return "\n\n".join([table(["section", "date", "commit", "took"], rows), *(f"Machine: {one}." for one in about)])


def speed(found: Json) -> str:
    head = ["route", "server", "a second", "p50 ms", "p99 ms", "p99.9 ms", "us of processor each", "core busy", "errors"]
    peak = [speed_row(route, name, samples) for route, name, samples in each(found["peak"])]
    half = [speed_row(route, name, samples) for route, name, samples in each(found["half"])]
    storm = [storm_row(name, rounds) for name, rounds in found["storm"].items()]
    return "\n\n".join([
        "## Throughput at the peak (64 connections, each sends when it is answered)",
        table(head, peak),
        "## Latency at half of each server's own peak (sent at a constant rate, timed from when it was due)",
        table(head, half),
        "## GET /health while 64 connections sign in",
        table(["server", "p50 ms", "p99 ms", "logins a second", "errors"], storm),
    ])


def each(found: Json) -> Iterable[tuple[str, str, list[Json]]]:
    for route in ("hello", "me", "refresh", "login", "fixed"):
        for name in TITLES:
            if samples := found.get(route, {}).get(name):
                yield route, name, samples


def speed_row(route: str, name: str, samples: list[Json]) -> list[str]:
    def of(key: str, scale: float = 1) -> Spread:
        return Spread.of([sample[key] * scale for sample in samples])

    shown = ("its nginx alone: 404", TITLES[name]) if route == "fixed" else (f"/{route}", TITLES[name])
    latencies = [spread(of("p50", 0.001)), spread(of("p99", 0.001)), number(of("p999", 0.001).median)]
    errors = str(sum(sample["errors"] for sample in samples))
    busy = f"{of('busy').median:.0%}"
    return [*shown, spread(of("per_second")), *latencies, spread(of("cpu_us")), busy, errors]


def storm_row(name: str, rounds: list[Json]) -> list[str]:
    p50, p99 = (Spread.of([told["health"][key] / 1000 for told in rounds]) for key in ("p50", "p99"))
    logins = Spread.of([told["logins_per_second"] for told in rounds])
    errors = sum(told["login_errors"] + told["health"]["errors"] for told in rounds)
    return [TITLES[name], spread(p50), spread(p99), spread(logins), str(errors)]


def memory(found: Json) -> str:
    names = {
        "idle": "idle",
        "peak_hello": "peak of /hello",
        "peak_me": "peak of /me",
        "peak_refresh": "peak of /refresh",
        "peak_login": "peak of /login",
        "idle_connections": f"{found['connections']:,} idle connections, more than idle",
    }
    servers = [name for name in TITLES if name in found]

    def size(name: str, state: str) -> str:
        return spread(Spread.of([bytes_then / MB for bytes_then in found[name][state]]))

    rows = [[title, *(size(name, state) for name in servers)] for state, title in names.items()]
    return "## Memory, PSS in MB\n\n" + table(["", *(TITLES[name] for name in servers)], rows)


def start(found: Json) -> str:
    rows = [
        [TITLES[name], spread(Spread.of([value * 1000 for value in seconds]))]
        for name, seconds in found["seconds"].items()
    ]
    parts = [
        "## Start",
        table(["server", "ms from exec to the first 200 of /ready"], rows),
        f"The program of Slipway has {number(found['binary_bytes'] / MB)} MB.",
    ]
    if found["images"]:
        images = [
            [name, number(sum(layers) / MB), ", ".join(number(size / MB) for size in layers)]
            for name, layers in found["images"].items()
        ]
        parts.append(table(["image", "MB compressed", "by layer, the lowest first"], images))
    return "\n\n".join(parts)


def password(found: Json) -> str:
    titles = {
        "login_cpu_us": "a login",
        "hash_cpu_us": "the bare hash, in memory that is kept",
        "hash_in_new_memory_cpu_us": "the bare hash, in new memory each time",
    }
    rows = [[title, spread(Spread.of([value / 1000 for value in found[key]]))] for key, title in titles.items()]
    return "## Login and its password hash\n\n" + table(["", "ms of processor time"], rows)


def middleware(found: Json) -> str:
    from .sections.middleware import WHOLE

    whole = found["cpu_us"][WHOLE]
    rows = []
    for name, values in found["cpu_us"].items():
        saved = Spread.of([100 * (1 - value / all_of_it) for value, all_of_it in zip(values, whole)])
        cost = "-" if name == WHOLE else f"{spread(saved)} %"
        rows.append([name.replace("_", " "), number(median(values)), cost])
    head = ["build without", "us of processor for a /hello", "what that piece costs"]
    return "## What middleware costs\n\n" + table(head, rows)


def instances(found: Json) -> str:
    cores = "each on a core of its own" if found["own_core"] else "both on the one core that there is for servers"
    rows = [[name, spread(Spread.of(found[name]))] for name in ("one", "two")]
    gain = spread(ratio(found["two"], found["one"]))
    return f"## One instance and two, {cores}\n\n{table(['instances', '/me a second'], rows)}\n\nTwo over one: {gain}."


def growth(found: Json) -> str:
    sizes = [str(size) for size in found["sizes"]]
    rows = []
    for route, samples in found["afterwards"].items():
        p50 = [spread(Spread.of([sample["p50"] for sample in samples[size]])) for size in sizes]
        p99 = [number(median(sample["p99"] for sample in samples[size])) for size in sizes]
        rows += [[f"{route}, p50", *p50], [f"{route}, p99", *p99]]
    for route, samples in found["while_cleaning"].items():
        (at_largest,) = samples[sizes[-1]]
        others = ["-"] * (len(sizes) - 1)
        rows.append([f"{route}, p50, while expired sessions are deleted", *others, number(at_largest["p50"])])
    before, after = found["ended_when_measured"]
    cleaned = f"Expired sessions with most users: {before:,} when that was measured first, {after:,} after; none were left "
    return "\n\n".join([
        "## Growth: microseconds of a request, one at a time, by users and sessions",
        table(["", *(f"{int(size):,}" for size in sizes)], rows),
        f"{cleaned}{number(found['cleanup_seconds'])} s later.",
    ])


def task(found: Json) -> str:
    parts = [*found["idle"], "all"]
    after_load = [*found["after_load"].values(), sum(found["after_load"].values())]
    memory_rows = [
        ["idle", *(spread(Spread.of([size / MB for size in sizes])) for sizes in with_sums(found["idle"]))],
        ["after load", *(number(size / MB) for size in after_load)],
    ]
    held = [
        [
            f"/{route}",
            f"{told.get('rate', 0):,}",
            number(told["p99"] / 1000) if "p99" in told else "-",
            f"{told['failed_at']:,}: {told['because']}" if "failed_at" in told else "-",
        ]
        for route, told in found["held"].items()
    ]
    return "\n\n".join([
        "## The whole task in 512 MiB and a quarter of a core",
        table(["PSS in MB", *parts], memory_rows),
        table(["route", "held a second", "p99 ms", "failed at"], held),
        f"Ready {number(found['seconds_to_ready'])} s after its start. With page cache it took at most "
        f"{number(found['peak_with_page_cache'] / MB)} MB; {found['killed']} processes were killed for memory.",
    ])


def with_sums(idle: dict[str, list[int]]) -> list[list[int]]:
    """Of each part, and of all together, by start."""
    return [*idle.values(), [sum(sizes) for sizes in zip(*idle.values())]]


SECTIONS: dict[str, Callable[[Json], str]] = {
    "speed": speed,
    "memory": memory,
    "start": start,
    "password": password,
    "middleware": middleware,
    "instances": instances,
    "growth": growth,
    "task": task,
}


def summary(results: Json) -> str:
    """The sentences of the README."""
    found = {name: section["found"] for name, section in results.items()}
    size = found["start"]["binary_bytes"] / MB
    ready = median(found["start"]["seconds"]["slipway"]) * 1000
    idle = median(found["memory"]["slipway"]["idle"]) / MB

    def times(route: str, name: str) -> str:
        return number(ratio(peaks(found, route, "slipway"), peaks(found, route, name)).median)

    return (
        f"One binary of {number(size)} MB, ready {number(ready)} ms after its start, with {number(idle)} MB of memory. "
        "On one\n"
        f"core it answers {times('hello', 'fastapi')} times as many `/hello` as the same API on FastAPI and "
        f"{times('me', 'fastapi')} times as many `/me`, and {times('hello', 'axum')} times\nas many `/hello` as on axum "
        "([all figures](bench/RESULTS.md), and [how they are measured](bench/README.md))."
    )
