"""Words for verdicts: the question of a comparison, its verdict, and the reason."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.compare import Comparison, ReasonCode, Verdict
from harness.analysis.stats.power import PRACTICAL
from harness.core.formatting import plural
from harness.report.comparison_text import (
    cost_text,
    difference_text,
    lost_cases_text,
    margin_text,
    p_text,
    plain_points,
)

OVERRULED = frozenset(
    {
        ReasonCode.SLICE_LOSS,
        ReasonCode.SLICE_OPEN,
        ReasonCode.COST_LOSS,
        ReasonCode.COST_OPEN,
        ReasonCode.BASE_NEAR_ZERO,
        ReasonCode.BASE_BELOW_GATE,
        ReasonCode.LIKELY_LOSS,
    }
)
"""Reasons other than the interval of all cases and its margin."""

_EXAMPLE_CASES = 3


def question(c: Comparison) -> str:
    """The question of a comparison, with its margin and the readings that count."""
    words = "may the task move?" if c.question.kind == "move" else "is it still as good?"
    readings = "strict and of lenient" if len(c.question.legs) > 1 else "lenient"
    return f"{words} (margin {margin_text(c.question.margin)} of {readings} accuracy)"


def verdict_text(c: Comparison) -> str:
    """`MOVE: difference -0.3 points (95% interval -1.3 to +0.6), within the margin of 3 points`."""
    return f"{c.verdict.value}: {reason_text(c)}"


def reason_text(c: Comparison) -> str:
    """Why a comparison has its verdict, figures first. No full stop at the end.

    Format and capability come first if they changed in opposite directions, because the difference hides it.
    """
    text = _REASONS[c.reason.code](c)
    if not c.has_opposite_gaps or c.verdict is Verdict.INCOMPARABLE:
        return text
    return f"{opposite_text(c)}. {text[0].upper()}{text[1:]}"


def opposite_text(c: Comparison) -> str:
    """`format +83.0, capability -28.7 points`."""
    return f"format {plain_points(c.format_gap.delta)}, capability {plain_points(c.capability_gap.delta)} points"


def _deciding(c: Comparison) -> str:
    """The difference of the leg that decided, with enough digits to see on which side of the margin and 0 it lies."""
    read = f"read {c.reason.leg}ly, " if c.reason.leg == "lenient" or c.has_opposite_gaps else ""
    limits = (-c.question.margin, 0.0)
    return f"{read}{difference_text(c.deciding.paired, c.question.confidence, limits)}"


def _identical(c: Comparison) -> str:
    return f"identical: the replies to {plural(c.n, 'case')} are the same, and no new ones were requested"


def _within(c: Comparison) -> str:
    text = f"{_deciding(c)}, within the margin of {margin_text(c.question.margin)}"
    if c.reason.worst is None:
        return text
    return f"{text}. {_failed(c)} failed. Whatever they would have answered, the verdict is OK or IMPROVED"


def _beyond(c: Comparison) -> str:
    return f"{_deciding(c)}, a loss of more than {margin_text(c.question.margin)}"


def _better(c: Comparison) -> str:
    text, answered = f"{_deciding(c)}, a gain", c.right_if_answered
    if c.answering.paired.low > 0 >= answered.low:
        more = f"more replies have an answer ({plain_points(c.answering.paired.delta)} points)"
        return f"{text}: {more}. Where both answer, {answered.gains:g} were gained and {answered.losses:g} lost"
    return text


def _worse(c: Comparison) -> str:
    return f"{_deciding(c)}, a proven loss that may exceed {margin_text(c.question.margin)}"


def _open(c: Comparison) -> str:
    if c.deciding.paired.low > -c.question.margin:
        few = plural(c.n, "case is", "cases are")
        return f"{_deciding(c)}. {few} too few: an exact test does not confirm the interval"
    return f"the loss could be more or less than {margin_text(c.question.margin)}: {_deciding(c)}. {needed_text(c)}"


def _likely(c: Comparison) -> str:
    tested = (
        f"p is {p_text(c.deciding.paired.p)}, and among many comparisons only p < {c.question.level:.2g} is a proof"
    )
    return f"{_deciding(c)}, a likely loss: {tested}"


def _slice_loss(c: Comparison) -> str:
    return f"{_slice(c)}, a proven loss of more than {_slice_limit(c)}. {_average(c)}"


def _slice_open(c: Comparison) -> str:
    return f"{_slice(c)}, a proven loss that may exceed {_slice_limit(c)}. {_average(c)}"


def _slice(c: Comparison) -> str:
    loss = c.reason.slice_loss
    if loss is None:
        return ""
    read = ", leniently" if loss.leg == "lenient" else ""
    p = loss.paired
    ends = f"95% interval {plain_points(p.low)} to {plain_points(p.high)}"
    return f"{loss.kind} {loss.name} {plain_points(p.delta)} points{read} ({ends}, {plural(p.n, 'case')})"


def _slice_limit(c: Comparison) -> str:
    loss = c.reason.slice_loss
    if loss is None:
        return ""
    return f"{margin_text(loss.limit)} (max_{loss.kind}_loss)"


def _average(c: Comparison) -> str:
    return f"All cases: {difference_text(c.leg(c.reason.leg).paired, c.question.confidence)}"


def _cost_loss(c: Comparison) -> str:
    may = "" if c.question.kind == "move" else "proven, and may be "
    return f"{cost_text(c)}, {may}more than the margin of {_cost_margin(c)}. {_average(c)}"


def _cost_open(c: Comparison) -> str:
    return f"{cost_text(c)}, which may be more than the margin of {_cost_margin(c)}. {_average(c)}"


def _cost_margin(c: Comparison) -> str:
    margin = c.question.costs.margin if c.question.costs else None
    return f"{margin or 0:g}"


def _near_zero(c: Comparison) -> str:
    base, head = c.deciding.base, c.deciding.head
    both = head.low <= base.low or head.value <= base.value
    if both and not head.hits and not base.hits:
        start = f"no answer of {c.base.name} or {c.head.name} is right"
    else:
        start = f"{c.base.name} is right on only {base.value:.1%} of the cases, {c.head.name} on {head.value:.1%}"
    return f"{start} ({c.reason.leg}ly), so being as good proves nothing. Check the labels and the run of {c.base.name}"


def _below_gate(c: Comparison) -> str:
    gate = "min_accuracy" if c.reason.leg == "strict" else "min_lenient_accuracy"
    limit = dict(c.question.least_base)[c.reason.leg]
    return (
        f"{c.base.name} itself fails {gate} {limit:g}: it is right on {c.deciding.base.value:.1%} of the cases "
        f"({c.reason.leg}ly), so being as good is not enough"
    )


def _failed_calls(c: Comparison) -> str:
    possible = f"{c.reason.worst} at worst, {c.reason.best} at best"
    return f"{_failed(c)} failed, so the verdict is open: {possible}. {remedy_text(c)}"


def remedy_text(c: Comparison) -> str:
    """What to do about failed calls."""
    imported = [side for side in (c.base, c.head) if side.is_imported and side.n_errors]
    if not imported:
        return "Run again with --resume"
    return f"Import {imported[0].name} again with these replies, or with --null wrong if a missing reply is wrong"


def _failed(c: Comparison) -> str:
    return plural(c.base.n_errors + c.head.n_errors, "call")


def _contract_kind(c: Comparison) -> str:
    base, head = (side.fingerprint.get("contract", "") for side in (c.base, c.head))
    return f"different contracts read the replies: {base} and {head}. For an import, set --labels or --contract"


def _contract_settings(_c: Comparison) -> str:
    return (
        "different contract settings read the replies. `harness rescore` reads the older run with the current settings"
    )


def _cases(c: Comparison) -> str:
    unequal = c.unequal
    groups = [
        (unequal.only_base, f"only in {c.base.name}"),
        (unequal.only_head, f"only in {c.head.name}"),
        (unequal.edited, "edited"),
    ]
    differing = "; ".join(f"{len(ids):,} {what} ({_examples(ids)})" for ids, what in groups if ids)
    return f"the runs cover different cases: {differing}. --shared compares the {plural(c.n, 'case')} of both"


def _no_shared_case(_c: Comparison) -> str:
    return "no case was answered in both runs"


_REASONS = {
    ReasonCode.IDENTICAL: _identical,
    ReasonCode.WITHIN_MARGIN: _within,
    ReasonCode.BEYOND_MARGIN: _beyond,
    ReasonCode.BETTER: _better,
    ReasonCode.WORSE: _worse,
    ReasonCode.SLICE_LOSS: _slice_loss,
    ReasonCode.SLICE_OPEN: _slice_open,
    ReasonCode.COST_LOSS: _cost_loss,
    ReasonCode.COST_OPEN: _cost_open,
    ReasonCode.BASE_NEAR_ZERO: _near_zero,
    ReasonCode.BASE_BELOW_GATE: _below_gate,
    ReasonCode.LIKELY_LOSS: _likely,
    ReasonCode.MORE_CASES: _open,
    ReasonCode.TOO_FEW_CASES: _open,
    ReasonCode.TOO_CLOSE: _open,
    ReasonCode.FAILED_CALLS: _failed_calls,
    ReasonCode.CONTRACT_KIND: _contract_kind,
    ReasonCode.CONTRACT_SETTINGS: _contract_settings,
    ReasonCode.CASES: _cases,
    ReasonCode.NO_SHARED_CASE: _no_shared_case,
}


def needed_text(c: Comparison) -> str:
    """How many cases would settle an open verdict, or why no number can be given."""
    return settled_text(c.reason.code, c.needed, c.n)


def settled_text(code: ReasonCode, needed: int | None, n: int) -> str:
    """The same, of `n` compared cases. `code`: of `analysis.compare.comparison.open_reason`."""
    if code is ReasonCode.MORE_CASES and needed is not None:
        return f"About {needed:,} cases would settle it ({n:,} compared)"
    if code is ReasonCode.TOO_FEW_CASES:
        return f"{plural(n, 'case is', 'cases are')} too few to estimate how many would settle it"
    return f"More than {PRACTICAL:,} cases would settle it, which is not practical"


def reason_and_losses_text(c: Comparison) -> str:
    """The reason, and the cases that went from right to wrong."""
    return "; ".join(filter(None, [reason_text(c), lost_cases_text(c)]))


def _examples(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_EXAMPLE_CASES]) + (", …" if len(ids) > _EXAMPLE_CASES else "")
