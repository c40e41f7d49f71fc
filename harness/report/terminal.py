"""The summary for a terminal of 80 columns, or of any other width (terminal_table.py).

Names come from files and replies: nothing is read as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.analysis.costs.spend import RunCost, charged, cost_of
from harness.analysis.gates import GateResult, GateStatus
from harness.core.formatting import NOTHING, dollars, number, plural, seconds, visible
from harness.report.cards import cards, gate_counts, verdict_label
from harness.report.gate_text import gate_text
from harness.report.model import CellReport, EvalReport, Report
from harness.report.notices import notices
from harness.report.portability_text import portability_text, step_text
from harness.report.rate_text import rate_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.analysis.compare.ladder import LadderStep
    from harness.report.terminal_table import TerminalTable

_TOP_VIOLATIONS = 4

COLOURS = {"good": "green", "bad": "red", "open": "yellow"}
"""Colours of verdicts by their tone."""


def matrix(report: Report) -> RenderableType:
    """Render each eval: a table with a row per cell, violations, costs and notices. The verdicts come last."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for e in report.evals:
        parts += [Text(visible(e.name), style="bold"), _rate_table(e), _violations(e), *_costs(e)]
        parts += _answers(e)
        parts += [Text(f"{'!' if notice.kind == 'error' else '·'} {visible(notice.text)}") for notice in notices(e)]
        parts.append(Text(""))
    return Group(*parts, *gate_lines(report.gates), *verdict_lines(report))


def verdict_lines(report: Report) -> list[RenderableType]:
    """Two lines per verdict, what needs attention first: the figure, then the reason."""
    from rich.padding import Padding
    from rich.text import Text

    shown = [card for card in cards(report) if card.paired is not None or card.tone == "bad"]
    label_width = max((len(card.label) for card in shown), default=0)
    eval_width = max((len(card.eval) for card in shown), default=0)
    lines: list[RenderableType] = []
    for card in shown:
        lines.append(
            Text.assemble(
                (f"{card.label:{label_width}}", f"bold {COLOURS[card.tone]}"),
                f"  {visible(card.eval):{eval_width}}  {visible(card.figure)}",
            )
        )
        lines.append(Padding(Text(visible(card.why)), (0, 0, 0, label_width + 2), expand=False))
    counts = gate_counts(report.gates)
    return [*lines, Text(counts.text)] if counts else lines


def rate_lines(report: Report, backend: str, evals: Sequence[str]) -> list[RenderableType]:
    """One line per eval: the strict accuracy of each variant on a backend."""
    from rich.text import Text

    lines: list[RenderableType] = []
    for e in report.evals:
        cells = [cell for cell in e.cells if cell.manifest.backend == backend]
        if e.name in evals and cells:
            rates = ", ".join(
                f"{cell.manifest.variant} prompt {rate_text(cell.summary.accuracy.strict)}" for cell in cells
            )
            n = plural(cells[0].summary.n, "case")
            lines.append(Text(visible(f"{backend}, live: {e.name}: {rates} right ({n})")))
    return lines


def ladder_lines(report: Report) -> list[RenderableType]:
    """One line per quantization ladder: the verdict of each step."""
    from rich.text import Text

    return [
        Text(visible(f"{ladder.name}, quantized: {e.name}: {', '.join(map(_step, ladder.steps))}"))
        for e in report.evals
        for ladder in e.analysis.ladders
    ]


def _step(step: LadderStep) -> str:
    if step.comparison is None:
        return f"{step.label} {rate_text(step.accuracy)} right"
    return f"{step.label} {verdict_label(step.comparison)}"


def gate_lines(gates: Sequence[GateResult]) -> list[RenderableType]:
    """One line per gate: its status and its figures."""
    from rich.text import Text

    colours = {GateStatus.PASSED: "green", GateStatus.FAILED: "red", GateStatus.UNDECIDED: "yellow"}
    return [
        Text.assemble((f"{gate.status.value:9} ", colours[gate.status]), visible(gate_text(gate))) for gate in gates
    ]


def _answers(e: EvalReport) -> list[RenderableType]:
    """Portability and ladders."""
    from rich.text import Text

    analysis, lines = e.analysis, []
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
