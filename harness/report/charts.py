"""Distributions as inline SVG by matplotlib. Colours and fonts are the page's: one drawing fits light and dark."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from typing import Any

from harness.report.text import visible

# Drawn in these, replaced by the page's own: matplotlib knows no CSS variable.
_INK, _RULE = "#010101", "#020202"
_SERIES = ("#030303", "#040404", "#050505", "#060606")
_CSS = {_INK: "var(--muted)", _RULE: "var(--rule)"} | {c: f"var(--series-{i})" for i, c in enumerate(_SERIES)}
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))

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
_WIDE = 30
"""From this ratio of largest to smallest on, the axis is logarithmic."""


def distributions(owner: str, name: str, series: Sequence[tuple[str, Sequence[float]]]) -> str:
    """For each series the share of calls that stay at or below x. The SVG is safe to put into a page as it is.

    `owner` and `name` make the ids inside it unique on the page.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    drawn = [(label, sorted(values), i) for i, (label, values) in enumerate(series) if values]
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(5.2, 2.7), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        for _, values, i in drawn:
            shares = [100 * (k + 1) / len(values) for k in range(len(values))]
            style = _DASHES[i % len(_DASHES)]
            axes.step(values, shares, where="post", color=_SERIES[i % len(_SERIES)], linestyle=style, linewidth=1.6)
        smallest, largest = (f(v for _, values, _ in drawn for v in values) for f in (min, max))
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
    described = f"Share of calls at or below x, {name}, for {', '.join(visible(label) for label, _, _ in drawn)}"
    prefix = "c" + hashlib.sha256(f"{owner}\n{name}".encode("utf-8", "replace")).hexdigest()[:8]
    return _for_page(out.getvalue(), prefix, described)


def _for_page(svg: str, prefix: str, described: str) -> str:
    """Only the drawing: no prologue, no style sheet that would reach the page, ids that no other chart has."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{prefix}-", svg)
    svg = re.sub(r"font: ?([\d.]+px)[^;\"]*", r"font: \1 var(--sans)", svg)
    for drawn, page in _CSS.items():
        svg = svg.replace(drawn, page)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(described)}"', 1)
