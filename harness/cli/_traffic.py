"""What `harness history` says of routed traffic: who answered, why not the first tier, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.store.runs import Store
    from harness.store.traffic import Traffic

WINDOWS = (("last hour", 1.0), ("last day", 24.0), ("in all", None))
"""Names of spans that end now, and their hours. One that adds nothing to the span before it is not shown."""


def show(store: Store, task: str | None = None) -> RenderableType | None:
    """A table of the routed calls of a task (of all); `None` where there are none."""
    from datetime import timedelta

    from rich.console import Group
    from rich.text import Text

    from harness.core.ids import now
    from harness.store import traffic as calls

    shown: list[tuple[str, list[Traffic]]] = []
    for name, hours in WINDOWS:
        found = calls.summary(store, task=task, since=now(-timedelta(hours=hours)) if hours is not None else "")
        if shown and _number(found) == _number(shown[-1][1]):
            shortest = shown.pop()[0].partition(" (")[0]
            shown.append((f"{shortest} (none before)", found))
        elif found:
            shown.append((name, found))
    parts: list[RenderableType] = []
    for name, found in shown:
        parts += [Text(f"routed calls, {name}", style="bold"), _table(found, with_task=task is None), Text("")]
    return Group(*parts) if parts else None


def _number(found: Sequence[Traffic]) -> int:
    return sum(traffic.calls for traffic in found)


def _table(found: Sequence[Traffic], *, with_task: bool) -> RenderableType:
    from rich.text import Text

    from harness.report.terminal_table import TerminalTable

    names, why = ["task", "answered by"] if with_task else ["answered by"], "why not the first"
    table = TerminalTable(*names, "calls", "share", "in format", "p50", "p95", "USD", why, names=[*names, why])
    for t in found:
        table.add(
            *([t.task] if with_task else []),
            t.backend or Text("nobody", style="red"),
            f"{t.calls:,}",
            f"{t.share:.1%}",
            "–" if t.compliance is None else f"{t.compliance:.1%}",
            _seconds(t.p50_s),
            _seconds(t.p95_s),
            "–" if t.usd is None else f"{t.usd:,.4f}",
            ", ".join(f"{reason} {number:,}" for reason, number in t.fallbacks.items()),
        )
    return table


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
