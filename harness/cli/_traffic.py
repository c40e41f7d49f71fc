"""Routed production calls in `harness history`: backends, reasons for fallbacks, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.store.runs import Store
    from harness.store.traffic import Traffic

WINDOWS = (("last hour", 1.0), ("last day", 24.0), ("all time", None))
"""Time spans that end now: name and hours. A span without more calls than the span before is not shown."""


def show(store: Store, task: str | None = None) -> RenderableType | None:
    """Tables of the routed calls of a task, or of all tasks; `None` if there are none."""
    from datetime import timedelta

    from rich.console import Group
    from rich.text import Text

    from harness.core.ids import now
    from harness.store import traffic

    shown: list[tuple[str, list[Traffic]]] = []
    for name, hours in WINDOWS:
        rows = traffic.summary(store, task=task, since=now(-timedelta(hours=hours)) if hours is not None else "")
        if shown and _n_calls(rows) == _n_calls(shown[-1][1]):
            shortest = shown.pop()[0].partition(" (")[0]
            shown.append((f"{shortest} (none before)", rows))
        elif rows:
            shown.append((name, rows))
    parts: list[RenderableType] = []
    for name, rows in shown:
        parts += [Text(f"routed calls, {name}", style="bold"), _table(rows, with_task=task is None), Text("")]
    return Group(*parts) if parts else None


def _n_calls(rows: Sequence[Traffic]) -> int:
    return sum(row.calls for row in rows)


def _table(rows: Sequence[Traffic], *, with_task: bool) -> RenderableType:
    from rich.text import Text

    from harness.report.terminal_table import TerminalTable

    names, reasons = ["task", "backend"] if with_task else ["backend"], "fallback reasons"
    table = TerminalTable(*names, "calls", "share", "in format", "p50", "p95", "USD", reasons, names=[*names, reasons])
    for t in rows:
        table.add(
            *([t.task] if with_task else []),
            t.backend or Text("unanswered", style="red"),
            f"{t.calls:,}",
            f"{t.share:.1%}",
            "–" if t.compliance is None else f"{t.compliance:.1%}",
            _seconds(t.p50_s),
            _seconds(t.p95_s),
            "–" if t.usd is None else f"{t.usd:,.4f}",
            ", ".join(f"{reason} {count:,}" for reason, count in t.fallbacks.items()),
        )
    return table


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
