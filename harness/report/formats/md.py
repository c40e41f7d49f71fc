"""Render a short report for a GitHub step summary or a pull request. Replies cannot inject markup."""

from __future__ import annotations

from collections.abc import Iterator

from harness.analysis.costs.advice_types import Advice
from harness.core.formatting import NOTHING, dollars, number, one_line, reply_text, seconds
from harness.core.markdown import SAFE, inert
from harness.report import comparison_formats, cost_text
from harness.report.cards import cards, gate_counts
from harness.report.gate_text import gate_text
from harness.report.headline import sentences
from harness.report.model import CellReport, EvalReport, Report
from harness.report.notices import notices
from harness.report.portability_text import portability_text, step_text
from harness.report.rate_text import rate_text
from harness.report.sections import cost
from harness.report.sections.advice import STANDS
from harness.report.sections.violations import examples

_EXAMPLE = 120
_TOP_VIOLATIONS = 8


def render(report: Report) -> str:
    """Render advice and bill, then each eval: verdicts, headlines, rates, violations, cost, ladders, comparisons."""
    advice = next((e.analysis.advice for e in report.evals if e.analysis.advice), None)
    lines = [*(_advice(advice) if advice else ()), *_head(report), *(line for e in report.evals for line in _eval(e))]
    return "\n".join(lines) + "\n"


def _head(report: Report) -> Iterator[str]:
    """A row per verdict card, and the gates."""
    if report.evals:
        yield "| verdict | eval | figure | why | next |"
        yield "|:--|:--|:--|:--|:--|"
    for card in cards(report):
        texts = " | ".join(inert(text, SAFE) for text in (card.eval, card.figure, card.why))
        yield f"| **{inert(card.label)}** | {texts} | <code>{inert(card.command)}</code> |"
    yield ""
    counts = gate_counts(report.gates)
    if counts:
        yield f"**{counts.text}**\n"
        yield from (f"- **{gate.status.value}** {inert(gate_text(gate), SAFE)}" for gate in report.gates)
        yield ""


def _advice(advice: Advice) -> Iterator[str]:
    """The advice with its reasons, and the monthly cost."""
    bill = advice.bill
    yield "## Should it move?\n"
    for each in advice.advised:
        yield f"- **{each.decision.value}** {inert(each.cost.eval, SAFE)}"
        yield from (f"    - {STANDS[reason.stands]}: {inert(reason.text, SAFE)}" for reason in each.reasons)
    if bill.lines:
        yield f"\n| {' | '.join(cost_text.HEADINGS)} |"
        yield "|:--|" + "--:|" * (len(cost_text.HEADINGS) - 1)
        yield from (f"| {' | '.join(inert(cell, SAFE) for cell in cost_text.row(line))} |" for line in bill.lines)
        yield "\n| a month | |"
        yield "|--:|:--|"
        yield from (f"| {inert(amount, SAFE)} | {inert(name, SAFE)} |" for amount, name in cost_text.sums(bill))
        yield ""
        yield from (f"- {inert(note, SAFE)}" for note in cost_text.notes(bill))
    if advice.left_out:
        yield f"- not on the bill (no [traffic]): {inert(', '.join(advice.left_out), SAFE)}"
    yield ""


def _eval(e: EvalReport) -> Iterator[str]:
    yield f"## {inert(e.name)}\n"
    for notice in notices(e):
        yield f"> {'**Errors.**' if notice.kind == 'error' else 'Note.'} {inert(notice.text, SAFE)}\n"
    if e.analysis.portability is not None:
        yield f"- {inert(portability_text(e.analysis.portability), SAFE)}"
    for sentence in sentences(e):
        yield f"- **{inert(sentence.cell)}**: {inert(sentence.rest, SAFE)}"
    yield "\n| cell | strict accuracy | compliance | lenient accuracy | n | errors | p50 |"
    yield "|:--|--:|--:|--:|--:|--:|--:|"
    for cell in e.cells:
        yield _row(cell)
    yield "\nEach rate with its 95% interval (Wilson).\n"
    shown = [(cell, code, count) for cell in e.cells for code, count in cell.summary.violations[:_TOP_VIOLATIONS]]
    if shown:
        yield "| cell | violation | replies | example |"
        yield "|:--|:--|--:|:--|"
    for cell, code, count in shown:
        share = f"{count:,} of {cell.summary.answered:,}"
        yield f"| {inert(cell.name)} | {inert(code)} | {share} | {_example(cell, code)} |"
    yield ""
    yield from _costs(e)
    for ladder in e.analysis.ladders:
        yield f"### Ladder {inert(ladder.name)}\n"
        yield from (f"- {inert(step_text(step), SAFE)}" for step in ladder.steps)
        yield ""
    for c in e.analysis.comparisons:
        yield comparison_formats.markdown(c)


def _costs(e: EvalReport) -> Iterator[str]:
    """The cost table; empty if no backend has a price."""
    section = cost.context(e)
    if section is None:
        return
    counts = "calls | from the store | attempts"
    yield f"| cell | this run | per 1,000 calls | {counts} | USD per million tokens, prompt and reply |"
    yield "|:--|--:|--:|--:|--:|--:|:--|"
    for row in section["rows"]:
        run_cost, price = row["cost"], row["price"]
        most = f", at most {dollars(run_cost.at_most_usd)}" if run_cost.attempts_without_tokens and price else ""
        run = inert(f"{dollars(run_cost.usd)}{most}" if price else "local server", SAFE)
        per_1k = inert(dollars(run_cost.usd_per_1k), SAFE) if price else NOTHING
        counts = f"{number(run_cost.calls)} | {number(run_cost.from_store)} | {number(run_cost.attempts)}"
        by = f"{price.prompt_usd:g} and {price.completion_usd:g} ({inert(price.source, SAFE)})" if price else NOTHING
        yield f"| {inert(row['cell'].name)} | {run} | {per_1k} | {counts} | {by} |"
    yield ""


def _row(cell: CellReport) -> str:
    accuracy, summary = cell.summary.accuracy, cell.summary
    rates = " | ".join(rate_text(r) for r in (accuracy.strict, accuracy.compliance, accuracy.lenient))
    figures = f"{number(accuracy.strict.n)} | {number(summary.n_errors)} | {seconds(summary.latency_p50_s)}"
    return f"| {inert(cell.name)} | {rates} | {figures} |"


def _example(cell: CellReport, code: str) -> str:
    replies = examples(cell, code, 1)
    reply = one_line(reply_text(replies[0].response), _EXAMPLE) if replies else ""
    return f"<code>{inert(reply)}</code>" if reply else NOTHING
