"""For a GitHub step summary or a pull request: short, and inert whatever a model replied."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import compared
from harness.report.data import CellReport, EvalReport, Report
from harness.report.headline import sentences
from harness.report.notices import notices
from harness.report.sections.violations import examples
from harness.report.text import NOTHING, number, one_line, rate_text, said, seconds, visible

_EXAMPLE = 120
OURS = " .,;:()%–’→−+="
"""Punctuation of our own sentences that Markdown leaves alone inside a line."""
_TOP_VIOLATIONS = 8


def render(report: Report) -> str:
    """Per eval: verdicts, sentences, the matrix, violations with a real reply each, and what the verdicts rest on."""
    return "\n".join(line for e in report.evals for line in _eval(e)) + "\n"


def inert(text: str, plain: str = " ") -> str:
    """Any text so that Markdown shows it and does nothing else with it.

    An entity is never structure (CommonMark 0.31, section 2.5), so all but letters, digits and `plain` becomes one.
    """
    return "".join(c if c.isalnum() or c in plain else f"&#{ord(c)};" for c in visible(" ".join(text.split())))


def _eval(e: EvalReport) -> Iterator[str]:
    yield f"## {inert(e.name)}\n"
    for notice in notices(e):
        yield f"> {'**Errors.**' if notice.kind == 'error' else 'Note.'} {inert(notice.text, OURS)}\n"
    for c in e.answers.comparisons:
        yield f"- **{c.verdict.value}** {inert(compared.title(c), OURS)}: {inert(c.reason, OURS)}"
    if e.answers.portability is not None:
        yield f"- {inert(e.answers.portability.sentence, OURS)}"
    for sentence in sentences(e):
        yield f"- **{inert(sentence.cell)}**: {inert(sentence.rest, OURS)}"
    yield "\n| cell | strict accuracy | compliance | lenient accuracy | n | errors | p50 |"
    yield "|:--|--:|--:|--:|--:|--:|--:|"
    for cell in e.cells:
        yield _row(cell)
    yield "\nEach rate with its 95% interval (Wilson).\n"
    shown = [(cell, code, count) for cell in e.cells for code, count in cell.summary.violations[:_TOP_VIOLATIONS]]
    if shown:
        yield "| cell | violation | replies | for example |"
        yield "|:--|:--|--:|:--|"
    for cell, code, count in shown:
        share = f"{count:,} of {cell.summary.answered:,}"
        yield f"| {inert(cell.name)} | {inert(code)} | {share} | {_example(cell, code)} |"
    yield ""
    for ladder in e.answers.ladders:
        yield f"### Ladder {inert(ladder.name)}\n"
        yield from (f"- {inert(step.sentence, OURS)}" for step in ladder.steps)
        yield ""
    for c in e.answers.comparisons:
        yield compared.markdown(c)


def _row(cell: CellReport) -> str:
    accuracy, summary = cell.summary.accuracy, cell.summary
    rates = " | ".join(rate_text(r) for r in (accuracy.strict, accuracy.compliance, accuracy.lenient))
    figures = f"{number(accuracy.strict.n)} | {number(summary.n_errors)} | {seconds(summary.latency_p50_s)}"
    return f"| {inert(cell.name)} | {rates} | {figures} |"


def _example(cell: CellReport, code: str) -> str:
    found = examples(cell, code, 1)
    reply = one_line(said(found[0].response), _EXAMPLE) if found else ""
    return f"<code>{inert(reply)}</code>" if reply else NOTHING
