"""Charts as inline SVG by matplotlib (the extra `plots`). Colours and fonts are the page's, light and dark."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, ParamSpec

from harness.core.errors import MissingExtra
from harness.core.extras import needed
from harness.core.formatting import dollars, visible

# Placeholders, replaced by CSS variables after drawing, because matplotlib does not know these.
_INK, _RULE, _HOLLOW = "#010101", "#020202", "#070707"
_SERIES = ("#030303", "#040404", "#050505", "#060606")
_CSS = {_INK: "var(--muted)", _RULE: "var(--rule)", _HOLLOW: "var(--paper)"} | {
    c: f"var(--series-{i})" for i, c in enumerate(_SERIES)
}
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))

_MARKERS = "os^DvPX*"
COLOURS = len(_SERIES)
"""Different colours of series."""

_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "harness-report",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _RULE,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
NEEDS = "Charts need matplotlib"
P = ParamSpec("P")
_LABEL = 20
"""Longest label in a drawing, in characters."""
_WIDE = 30
"""The axis is logarithmic from this ratio of largest to smallest value."""


def unavailable() -> str:
    """Return why no chart can be drawn, as one line; empty if charts can be drawn."""
    try:
        with needed("plots", NEEDS):
            import matplotlib  # noqa: F401, ICN001
    except MissingExtra as error:
        return str(error)
    return ""


def _empty_if_unavailable(draw: Callable[P, str]) -> Callable[P, str]:
    """Return an empty string without matplotlib, so that the report is still written."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        return "" if unavailable() else draw(*args, **kwargs)

    return drawn


@_empty_if_unavailable
def distributions(owner: str, name: str, series: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Draw the share of calls at or below x for each series. The SVG is escaped.

    `owner` and `name` make the ids inside it unique on the page.
    """
    drawn = _distributions(name, tuple(tuple(sorted(values)) for _, values in series))
    described = (
        f"Share of calls at or below x, {name}, for {', '.join(visible(label) for label, values in series if values)}"
    )
    return _for_page(drawn, _prefix(owner, name), described)


def dash_of(place: int) -> int:
    """The dash of the series at `place`: with its colour, sixteen series are distinct."""
    return (place // len(_SERIES) + place) % len(_DASHES)


@lru_cache(maxsize=16)
def _distributions(name: str, series: tuple[tuple[float, ...], ...]) -> str:
    """Draw sorted values. Cached, because reports of one command often share their runs."""
    with needed("plots", NEEDS):
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator

    drawn = [(i, values) for i, values in enumerate(series) if values]
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(5.2, 2.7), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        for i, values in drawn:
            shares = [100 * (k + 1) / len(values) for k in range(len(values))]
            style = _DASHES[dash_of(i)]
            axes.step(values, shares, where="post", color=_SERIES[i % len(_SERIES)], linestyle=style, linewidth=1.6)
        smallest, largest = (f(v for _, values in drawn for v in values) for f in (min, max))
        if smallest > 0 and largest / smallest >= _WIDE:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
            axes.xaxis.set_minor_formatter("")
        else:
            axes.set_xlim(left=0)
        axes.set_ylim(0, 103)
        axes.set_yticks([0, 25, 50, 75, 95], ["0", "25", "50", "75", "95%"])
        axes.grid(visible=True, color=_RULE, linewidth=0.6)
        axes.tick_params(length=0)
        axes.set_xlabel(name)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """One point of a timeline: a share in 0..1, or `None`, and its interval. `hollow`: drawn as a ring."""

    day: str
    value: float | None
    low: float
    high: float
    hollow: bool = False


@_empty_if_unavailable
def timeline(owner: str, name: str, dots: Sequence[TimelinePoint], marks: Sequence[tuple[int, str]] = ()) -> str:
    """Draw shares with their intervals in order, and a dotted line before each change. The SVG is escaped.

    `marks`: position and letter of each change.
    """
    with needed("plots", NEEDS):
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

    known = [(place, dot, 100 * dot.value) for place, dot in enumerate(dots) if dot.value is not None]
    places, values = [place for place, _, _ in known], [value for _, _, value in known]
    lows, highs = [100 * dot.low for _, dot, _ in known], [100 * dot.high for _, dot, _ in known]
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(5.2, 2.5), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        axes.vlines(places, lows, highs, color=_SERIES[0], linewidth=2.4, alpha=0.35, zorder=1)
        axes.plot(places, values, color=_SERIES[0], linewidth=1.2, zorder=2)
        for place, dot, value in known:
            inside = _HOLLOW if dot.hollow else _SERIES[0]
            axes.plot(place, value, "o", markersize=4.5, color=_SERIES[0], markerfacecolor=inside, zorder=3)
        for place, letter in marks:
            axes.axvline(place - 0.5, color=_SERIES[1], linewidth=1.1, linestyle=_DASHES[2], zorder=0)
            axes.annotate(letter, (place - 0.5, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom")
        axes.set_xlim(-0.7, len(dots) - 0.3)
        room = max(2.0, 0.05 * (max(highs) - min(lows)))
        axes.set_ylim(max(0.0, min(lows) - room), min(100.0, max(highs) + room))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}%")
        axes.set_xticks(*_days(dots))
        axes.grid(visible=True, axis="y", color=_RULE, linewidth=0.6)
        axes.tick_params(length=0)
        axes.tick_params(axis="x", pad=8)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    described = f"{name} of {visible(owner)} over {len(dots)} runs, {visible(dots[0].day)} to {visible(dots[-1].day)}"
    return _for_page(out.getvalue(), _prefix(owner, name), described)


@dataclass(frozen=True, slots=True)
class SpeedPoint:
    """One model in the chart of accuracy against speed: latency in seconds, and a share with its interval."""

    label: str
    seconds: float
    quartiles: tuple[float, float]
    share: float
    low: float
    high: float


@_empty_if_unavailable
def tradeoff(owner: str, places: Sequence[SpeedPoint]) -> str:
    """Draw strict accuracy over seconds per call. The SVG is escaped.

    Long labels, and labels that a font may not have, are replaced by `step N`.
    """
    with needed("plots", NEEDS):
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

    with mpl.rc_context(_RC):
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        for i, place in enumerate(places):
            x, y, colour = place.seconds, 100 * place.share, _SERIES[0] if i else _SERIES[1]
            axes.plot([x, x], [100 * place.low, 100 * place.high], color=colour, linewidth=2, alpha=0.45)
            axes.plot(place.quartiles, [y, y], color=colour, linewidth=2, alpha=0.45)
            label = place.label if place.label.isascii() and len(place.label) <= _LABEL else f"step {i + 1}"
            axes.plot(x, y, _MARKERS[i % len(_MARKERS)], markersize=6, color=colour, label=visible(label))
        axes.set_xlim(0, 1.22 * max(max(place.seconds, place.quartiles[1]) for place in places))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}%")
        axes.grid(visible=True, color=_RULE, linewidth=0.6)
        axes.tick_params(length=0)
        legend = figure.legend(loc="outside upper center", ncols=2, frameon=False)  # beside a point it could hide one
        for text in legend.get_texts():
            text.set_parse_math(False)
        axes.set_xlabel("seconds per call, median (less is faster)")
        axes.set_ylabel("strict accuracy")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    described = f"Strict accuracy over seconds per call, for {', '.join(visible(place.label) for place in places)}"
    return _for_page(out.getvalue(), _prefix(owner, "tradeoff"), described)


@dataclass(frozen=True, slots=True)
class CostBar:
    """One bar of a bill: USD by eval, and the server's part."""

    label: str
    parts: Sequence[tuple[str, float]]
    server_usd: float = 0.0

    @property
    def usd(self) -> float:
        """The total."""
        return sum(value for _, value in self.parts) + self.server_usd


@_empty_if_unavailable
def bill(owner: str, stacks: Sequence[CostBar]) -> str:
    """Draw monthly costs, a bar per alternative. The eval `owner` is filled, and servers are hatched. Escaped SVG."""
    with needed("plots", NEEDS):
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

    with mpl.rc_context({**_RC, "hatch.linewidth": 0.8, "hatch.color": _SERIES[1]}):
        figure = Figure(figsize=(5.2, 0.7 + 0.42 * len(stacks)), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        most = max(stack.usd for stack in stacks) or 1.0
        for place, stack in enumerate(stacks):
            left = 0.0
            for name, value in stack.parts:
                colour = _SERIES[0] if name == owner else _HOLLOW
                axes.barh(place, value, left=left, height=0.6, color=colour, edgecolor=_SERIES[0], linewidth=0.8)
                left += value
            if stack.server_usd:
                drawn: dict[str, Any] = {"color": _HOLLOW, "edgecolor": _SERIES[1], "hatch": "////", "linewidth": 0.8}
                axes.barh(place, stack.server_usd, left=left, height=0.6, **drawn)
            axes.annotate(dollars(stack.usd), (stack.usd, place), (5, 0), textcoords="offset points", va="center")
        axes.set_xlim(0, 1.16 * most)
        axes.set_yticks(range(len(stacks)), [stack.label for stack in stacks])
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.xaxis.set_major_formatter(lambda x, _: f"${x:,.10g}")
        axes.grid(visible=True, axis="x", color=_RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.set_xlabel("USD a month")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    described = f"USD a month: {', '.join(f'{stack.label} {dollars(stack.usd)}' for stack in stacks)}"
    return _for_page(out.getvalue(), _prefix(owner, "bill"), described)


def _days(dots: Sequence[TimelinePoint]) -> tuple[list[int], list[str]]:
    """Choose at most six tick positions with different days, among them the first and the last."""
    last = len(dots) - 1
    steps = min(5, last)
    chosen = [round(i * last / steps) for i in range(steps + 1)] if steps else [0]
    shown: dict[str, int] = {}
    for place in chosen:
        shown.setdefault(dots[place].day, place)
    return list(shown.values()), list(shown)


def _prefix(owner: str, name: str) -> str:
    """A prefix that makes the ids of a chart unique on the page."""
    return "c" + hashlib.sha256(f"{owner}\n{name}".encode("utf-8", "replace")).hexdigest()[:8]


def _for_page(svg: str, prefix: str, described: str) -> str:
    """Strip prologue and style sheet, make ids unique, and use the page's colours."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{prefix}-", svg)
    svg = re.sub(r"font: ?([\d.]+px)[^;\"]*", r"font: \1 var(--sans)", svg)
    for drawn, page in _CSS.items():
        svg = svg.replace(drawn, page)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(described)}"', 1)
