"""Comparisons: the verdict, its interval, the figures, and the cases that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.compare import Comparison
from harness.analysis.compare.flips import KINDS
from harness.core.formatting import NOTHING, inputs_text, one_line, reply_text, seconds, value_text
from harness.core.types import Result
from harness.report import comparison_text, verdict_text
from harness.report.intervals import scale
from harness.report.model import CellReport, EvalReport

ORDER = 12
TITLE = "Verdicts"

_LISTED = 20
"""Most flips of a kind that are shown with replies. The table of cases has all."""
_INPUT, _REPLY = 110, 160


def context(report: EvalReport) -> dict[str, Any] | None:
    """A block per comparison: question, verdict, drawn interval, figures, and flips with both replies."""
    comparisons = report.analysis.comparisons
    return {"blocks": [_block(report, c) for c in comparisons], "listed": _LISTED} if comparisons else None


def _block(report: EvalReport, c: Comparison) -> dict[str, Any]:
    parts = [("capability", c.capability_gap), ("format", c.format_gap)]
    slices = comparison_text.proven_slices(c)
    others = [d.paired for _, d, _ in slices] + [c.lenient.paired, c.compliance.paired, c.format_gap]
    noise = report.analysis.noise
    return {
        "c": c,
        "title": comparison_text.title(c),
        "question": verdict_text.question(c),
        "tone": comparison_text.tone(c.verdict),
        "scale": scale([c.leg(leg).paired for leg in c.question.legs], c.question.margin),
        "legs": [(leg, c.leg(leg).paired) for leg in c.question.legs],
        "confidence": comparison_text.confidence_text(c.question.confidence),
        "rows_scale": scale([c.strict.paired, *others], c.question.margin),
        "rates": [
            (name, d.base, d.head, d.paired, comparison_text.p_text(d.paired.p))
            for name, d in comparison_text.measured(c)
        ],
        "parts": [(name, paired, comparison_text.p_text(paired.p)) for name, paired in parts],
        "macro_f1": _macro_f1(c),
        "slices": [(name, d, comparison_text.p_text(p)) for name, d, p in slices],
        "facts": _facts(c) + ([("noise", comparison_text.noise_text(c, noise))] if noise else []),
        "flips": _flips(report, c),
    }


def _macro_f1(c: Comparison) -> tuple[str, str, str] | None:
    if c.macro_f1 is None:
        return None
    base, head, interval = c.macro_f1
    ends = (
        f" ({comparison_text.points(interval.low)} to {comparison_text.points(interval.high)})"
        if abs(interval.low) < 2
        else ""
    )
    return f"{100 * base:.1f}%", f"{100 * head:.1f}%", comparison_text.points(interval.value) + ends


def _facts(c: Comparison) -> list[tuple[str, str]]:
    """Errors, slices, latency, tokens and changes, a line each."""
    errors = [("errors", comparison_text.bounds_text(c))] if c.base.n_errors + c.head.n_errors else []
    slices = [("tags and labels", comparison_text.slices_text(c))] if c.slices else []
    ratios, base, head = comparison_text.ratios(c), c.base, c.head
    measured = [
        ("median latency", seconds(base.latency_s), seconds(head.latency_s), ratios["latency"]),
        ("tokens per prompt", _mean(base.prompt_tokens), _mean(head.prompt_tokens), ratios["prompt_tokens"]),
        ("tokens per reply", _mean(base.completion_tokens), _mean(head.completion_tokens), ratios["completion_tokens"]),
    ]
    costs = [(name, f"{old} → {new}, {ratio:.2f} times") for name, old, new, ratio in measured if ratio is not None]
    return [
        ("cases", comparison_text.cases_text(c)),
        *errors,
        *comparison_text.notes(c),
        *slices,
        *costs,
        ("changed", comparison_text.changed_text(c)),
    ]


def _mean(tokens: float | None) -> str:
    return NOTHING if tokens is None else f"{tokens:,.1f}"


def _flips(report: EvalReport, c: Comparison) -> list[dict[str, Any]]:
    """The count of each kind that occurs, and the first cases with the replies that the report has."""
    base, head = (_by_case(report, run_id) for run_id in (c.base.run_id, c.head.run_id))
    groups = []
    for kind in KINDS:
        ids = [flip.case_id for flip in c.flips if flip.kind == kind]
        if ids:
            rows = [_row(i, base.get(i), head.get(i)) for i in ids[:_LISTED]]
            groups.append({"kind": comparison_text.FLIPS[kind], "count": len(ids), "rows": rows})
    return groups


def _by_case(report: EvalReport, run_id: str) -> Mapping[str, Result]:
    """The first reply to each case of a run; empty for a run that is not in the report, such as a baseline."""
    cells: list[CellReport] = [cell for cell in report.cells if cell.manifest.run_id == run_id]
    return {r.case.id: r for cell in cells for r in reversed(cell.judged)}


def _row(case_id: str, base: Result | None, head: Result | None) -> dict[str, str]:
    either = head or base
    case = either.case if either else None
    return {
        "case": case_id,
        "input": one_line(inputs_text(case.inputs), _INPUT) if case else "",
        "expected": one_line(value_text(case.expected), _REPLY) if case else "",
        "base": _reply(base) if base else "",
        "head": _reply(head) if head else "",
    }


def _reply(result: Result) -> str:
    """Both ends of a reply on one line, because models answer at either end."""
    text = " ".join(reply_text(result.response).split())
    return text if len(text) <= _REPLY else f"{text[: _REPLY // 2]} … {text[-_REPLY // 2 :]}"
