"""The trend of each cell from run to run, with its changes."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

from harness.analysis.trend import Point, Trend
from harness.core.types import RunOrigin
from harness.report import comparison_text, verdict_text
from harness.report.charts import TimelinePoint, timeline
from harness.report.model import EvalReport

ORDER = 65
TITLE = "From run to run"
PICTURES = "the trend from run to run"

FEWEST = 3
"""Fewer runs make no useful chart."""
UNMARKED = frozenset({"harness"})
"""Changes that only the table shows, because every release has them."""


def context(report: EvalReport) -> dict[str, Any] | None:
    """For each cell with enough runs: chart, marks, the newest verdict, and all runs, newest first."""
    trends = [_trend(trend) for trend in report.trends if _is_shown(trend)]
    return {"trends": trends} if trends else None


def _is_shown(trend: Trend) -> bool:
    return len(trend.points) >= FEWEST and any(point.strict.n for point in trend.points)


def _trend(trend: Trend) -> dict[str, Any]:
    marked = [place for place, point in enumerate(trend.points) if _marks(point)]
    letters = {place: _letter(number) for number, place in enumerate(marked)}
    name = f"{trend.cell} ({trend.split})" if trend.split else trend.cell
    dots = [_dot(point) for point in trend.points]
    runs = [
        {"point": point, "mark": letters.get(place, ""), "changed": comparison_text.changes_text(point.changed)}
        for place, point in enumerate(trend.points)
    ]
    return {
        "name": name,
        "chart": timeline(f"{trend.eval} {name}", "Strict accuracy", dots, list(letters.items())),
        "marks": [(letters[place], _marks(trend.points[place]), _day(trend.points[place])) for place in marked],
        "verdict": _verdict(trend),
        "runs": runs[::-1],
        "has_hollow": any(dot.hollow for dot in dots),
    }


def _dot(point: Point) -> TimelinePoint:
    r = point.strict
    return TimelinePoint(
        _day(point), r.value if r.n else None, r.low, r.high, hollow=point.manifest.origin is not RunOrigin.ASKED
    )


def _marks(point: Point) -> str:
    return comparison_text.changes_text([change for change in point.changed if change.what not in UNMARKED])


def _day(point: Point) -> str:
    return point.manifest.started_at[:10]


def _letter(number: int) -> str:
    """A to Z, then A2 to Z2, and so on."""
    turn, letter = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn + 1) if turn else "")


def _verdict(trend: Trend) -> tuple[str, str] | None:
    """The verdict on the newest run, and the run it is compared with."""
    c = trend.latest
    if c is None:
        return None
    return (
        c.verdict.value,
        f"against {c.base.run_id}: {verdict_text.reason_text(c)}; changed: {comparison_text.changed_text(c)}",
    )
