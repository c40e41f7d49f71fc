"""May the task move, or is it still as good: the verdict, the interval it is read from, and which cases differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.compare import Comparison
from harness.analysis.compare.flips import KINDS
from harness.core.formatting import NOTHING, inputs_text, one_line, reply_text, seconds, value_text
from harness.core.types import Result
from harness.report import comparison_text
from harness.report.intervals import scale
from harness.report.model import CellReport, EvalReport

ORDER = 12
TITLE = "Verdicts"

_LISTED = 20
"""Flips of a kind that are shown with their replies; the table of cases has all."""
_INPUT, _REPLY = 110, 160


def context(report: EvalReport) -> dict[str, Any] | None:
    """A block per comparison: what is asked, the verdict, the drawn interval, figures, flips with both replies."""
    found = report.answers.comparisons
    return {"blocks": [_block(report, c) for c in found], "listed": _LISTED} if found else None


def _block(report: EvalReport, c: Comparison) -> dict[str, Any]:
    parts = [("capability", c.capability), ("format", c.form)]
    slices = comparison_text.proven_slices(c)
    others = [d.paired for _, d, _ in slices] + [c.lenient.paired, c.compliance.paired, c.form]
    noise = report.answers.noise
    return {
        "c": c,
        "title": comparison_text.title(c),
        "question": comparison_text.question(c),
        "standing": comparison_text.standing(c.verdict),
        "scale": scale([c.strict.paired], c.question.margin),
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
    """Errors, slices, what it costs, what changed: a line each."""
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
        ("cases", f"{c.n:,} that both answered"),
        *errors,
        *slices,
        *costs,
        ("changed", comparison_text.changed_text(c)),
    ]


def _mean(tokens: float | None) -> str:
    return NOTHING if tokens is None else f"{tokens:,.1f}"


def _flips(report: EvalReport, c: Comparison) -> list[dict[str, Any]]:
    """Each kind that occurs: its count and, where the report has both runs, the first cases with both replies."""
    base, head = (_by_case(report, run_id) for run_id in (c.base.run_id, c.head.run_id))
    found = []
    for kind in KINDS:
        ids = [flip.case_id for flip in c.flips if flip.kind == kind]
        if ids:
            rows = [_row(i, base.get(i), head.get(i)) for i in ids[:_LISTED]]
            found.append({"kind": comparison_text.FLIPS[kind], "count": len(ids), "rows": rows})
    return found


def _by_case(report: EvalReport, run_id: str) -> Mapping[str, Result]:
    """The first reply to each case of a run; nothing for a run that is not in the report, such as a baseline's."""
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
    """Both ends of a reply on one line, because models state the answer at either."""
    text = " ".join(reply_text(result.response).split())
    return text if len(text) <= _REPLY else f"{text[: _REPLY // 2]} … {text[-_REPLY // 2 :]}"
