"""The summary for a terminal of 80 columns, or of any other width (terminal_table.py).

Names come from files and replies: nothing is read as markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.costs.spend import RunCost, charged, cost_of
from harness.core.formatting import NOTHING, dollars, number, plural, seconds, visible
from harness.report import comparison_text, verdict_text
from harness.report.model import CellReport, EvalReport, Report
from harness.report.notices import notices
from harness.report.portability_text import portability_text, step_text
from harness.report.rate_text import rate_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.report.terminal_table import TerminalTable

_TOP_VIOLATIONS = 4

COLOURS = {"good": "green", "bad": "red", "open": "yellow"}
"""Colours of verdicts by their tone."""


def matrix(report: Report) -> RenderableType:
    """Render each eval: a table with a row per cell, violations, costs, verdicts and notices."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for e in report.evals:
        parts += [Text(visible(e.name), style="bold"), _rate_table(e), _violations(e), *_costs(e)]
        parts += _answers(e)
        parts += [Text(f"{'!' if notice.kind == 'error' else '·'} {visible(notice.text)}") for notice in notices(e)]
        parts.append(Text(""))
    return Group(*parts[:-1])


def _answers(e: EvalReport) -> list[RenderableType]:
    """Verdicts, portability and ladders."""
    from rich.text import Text

    analysis = e.analysis
    lines = [
        Text.assemble(
            (c.verdict.value, f"bold {COLOURS[comparison_text.tone(c.verdict)]}"),
            f"  {visible(comparison_text.title(c))}: {visible(verdict_text.reason_text(c))}",
        )
        for c in analysis.comparisons
    ]
    if analysis.portability is not None:
        lines.append(Text(visible(portability_text(analysis.portability))))
    for ladder in analysis.ladders:
        lines.append(Text(f"ladder {visible(ladder.name)}", style="dim"))
        lines += [Text(f"  {visible(step_text(step))}") for step in ladder.steps]
    return [Text(""), *lines, Text("")] if lines else []


def _costs(e: EvalReport) -> list[RenderableType]:
    """The cost of each run whose backend has a price."""
    from rich.text import Text

    lines: list[RenderableType] = []
    for cell in e.cells:
        price = e.analysis.prices.get(cell.manifest.backend)
        if price is not None:
            lines.append(
                Text(
                    visible(f"  {cell.name}: {_cost(cost_of(cell.results, charged(price, cell.manifest)))}"),
                    style="dim",
                )
            )
    return lines


def _cost(of: RunCost) -> str:
    if not of.calls:
        return "cost nothing: every answer is from the store"
    per_1k = f" ({dollars(of.usd_per_1k)} per 1,000)" if of.usd_per_1k is not None else ""
    more = (
        f", at most {dollars(of.at_most_usd)}: {plural(of.attempts_without_tokens, 'attempt')} without a count"
        if of.attempts_without_tokens
        else ""
    )
    return f"cost {dollars(of.usd)} for {plural(of.calls, 'call')}{per_1k}{more}"


def _rate_table(e: EvalReport) -> TerminalTable:
    from rich.text import Text

    from harness.report.terminal_table import TerminalTable

    table = TerminalTable("cell", "strict", "compliance", "lenient", "n", "errors", "p50", names=["cell"])
    for cell in e.cells:
        accuracy, summary = cell.summary.accuracy, cell.summary
        table.add(
            cell.name,
            Text(rate_text(accuracy.strict), style="bold"),
            rate_text(accuracy.compliance),
            rate_text(accuracy.lenient),
            number(accuracy.strict.n),
            Text(number(summary.n_errors), style="bold red" if summary.n_errors else ""),
            seconds(summary.latency_p50_s),
        )
    return table


def _violations(e: EvalReport) -> TerminalTable:
    from rich.text import Text

    from harness.report.terminal_table import TerminalTable

    table = TerminalTable("cell", "violations", names=["cell", "violations"], show_header=False)
    for cell in e.cells:
        table.add(Text(f"  {cell.name}", style="dim"), Text(_top(cell), style="dim"))
    return table


def _top(cell: CellReport) -> str:
    counted = cell.summary.violations
    if not counted:
        return "no violations" if cell.summary.answered else NOTHING
    left = len(counted) - _TOP_VIOLATIONS
    more = f" · {plural(left, 'more kind')}" if left > 0 else ""
    return " · ".join(f"{code} {count:,}" for code, count in counted[:_TOP_VIOLATIONS]) + more
