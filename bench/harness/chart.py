"""The chart of the README: requests a second on one core, a panel for each route, as SVG without anything from outside."""

from html import escape
from statistics import median

from .context import Json
from .goals import peaks
from .servers import TITLES
from .statistics import ratio

# Blue and grey differ for the colour-blind, too; each text has a contrast of 4.5 or more on its background (WCAG 2.2).
SCHEMES = {
    "light": {
        "back": "#ffffff",
        "text": "#1f2328",
        "faint": "#59636e",
        "ours": "#0b62d6",
        "others": "#9aa4af",
        "line": "#d1d9e0",
    },
    "dark": {
        "back": "#0d1117",
        "text": "#f0f6fc",
        "faint": "#9198a1",
        "ours": "#4493f8",
        "others": "#656e78",
        "line": "#3d444d",
    },
}
PANELS = {
    "hello": "GET /hello",
    "me": "GET /me: token, revocation check, account",
    "refresh": "POST /refresh: token rotation",
    "login": "POST /login: Argon2id",
}
ORDER = ["slipway", "container", "axum", "fastapi", "nginx"]
OURS = ("slipway", "container")

WIDTH, MARGIN = 760, 24
LABEL_WIDTH, VALUE_WIDTH = 170, 160
ROW, BAR, PANEL_HEAD, PANEL_GAP = 24, 14, 30, 18
TITLE_HEIGHT = 62
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def draw(results: Json, scheme: str) -> str:
    colours = SCHEMES[scheme]
    found = {name: section["found"] for name, section in results.items()}
    shapes, y = [title(colours, results["speed"]["measured"])], TITLE_HEIGHT
    for route, heading in PANELS.items():
        values = {name: peaks(found, route, name) for name in ORDER if name in found["speed"]["peak"][route]}
        panel_shapes, y = panel(colours, heading, values, y)
        shapes += panel_shapes
    height = y + MARGIN - PANEL_GAP
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="Requests a second on one core" font-family="{FONT}">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{colours["back"]}"/>\n{body}\n</svg>\n'
    )


def title(colours: dict[str, str], measured: Json) -> str:
    where = f"{measured['machine']['processor']}, {measured['date']}"
    about = f"Each server on one core, 64 connections, JSON access log on. {where}."
    return "\n".join([
        text(MARGIN, 32, "Requests a second", colours["text"], size=18, weight=600),
        text(MARGIN, 51, about, colours["faint"], size=12),
    ])


def panel(colours: dict[str, str], heading: str, values: dict[str, list[float]], y: int) -> tuple[list[str], int]:
    """A heading and a bar for each server, all to the scale of the longest; and where the next panel begins."""
    left = MARGIN + LABEL_WIDTH
    room = WIDTH - left - MARGIN - VALUE_WIDTH
    shapes = [
        text(MARGIN, y + 18, heading, colours["text"], size=13, weight=600),
        f'<line x1="{left}" x2="{left}" y1="{y + PANEL_HEAD - 2}" y2="{y + PANEL_HEAD + ROW * len(values)}" '
        f'stroke="{colours["line"]}"/>',
    ]
    y += PANEL_HEAD
    base, longest = values.get("fastapi"), max(median(rounds) for rounds in values.values())
    for name, rounds in values.items():
        length = max(1.0, room * median(rounds) / longest)
        weight = 600 if name in OURS else 400
        middle = y + ROW / 2
        fill = colours["ours" if name in OURS else "others"]
        shapes += [
            text(left - 10, middle + 4, TITLES[name], colours["text"], size=13, weight=weight, anchor="end"),
            f'<rect x="{left}" y="{middle - BAR / 2:g}" width="{length:.1f}" height="{BAR}" rx="2" fill="{fill}"/>',
            text(left + length + 8, middle + 4, label(name, rounds, base), colours["text"], size=12, weight=weight),
        ]
        y += ROW
    return shapes, y + PANEL_GAP


def label(name: str, rounds: list[float], base: list[float] | None) -> str:
    """The value and, for ours, how many times FastAPI's it is: the same ratio as in RESULTS.md."""
    shown = f"{median(rounds):,.0f}"
    return f"{shown}  ({ratio(rounds, base).median:.1f}x FastAPI)" if base and name in OURS else shown


def text(
    x: float, y: float, content: str, fill: str, size: int, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:g}" fill="{fill}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(content)}</text>'
    )
