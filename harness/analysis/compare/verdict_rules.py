"""Decide the verdict of a comparison: by its legs, failed calls, its base, and its slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.analysis.compare.comparison import Comparison, VerdictReason
from harness.analysis.compare.paired_rates import Pairs, count_of, paired_of
from harness.analysis.compare.sides import CaseOutcome
from harness.analysis.compare.slices import SliceLoss
from harness.analysis.compare.verdicts import SIGNIFICANT, ComparisonQuestion, LegName, ReasonCode, Verdict, worst
from harness.analysis.stats import DecisionRule, Paired, cases_to_decide
from harness.analysis.stats.sequential import cases_to_prove

FEWEST = 20
"""Fewer cases do not show how often two runs differ, so the number of cases needed cannot be estimated."""

NEAR_ZERO = 0.10
"""A base with a lower bound of accuracy up to this share shows nothing: a head that is never right may be as good."""


def judged(c: Comparison, both: Pairs) -> Comparison:
    """Return the comparison with its verdict. Failed calls, a useless base or a collapsed slice overrule the legs."""
    if _is_identical(c, both):
        return replace(c, verdict=Verdict.OK, reason=VerdictReason(ReasonCode.IDENTICAL, c.question.legs[0]))
    by_leg = {leg: c.question.decide(c.leg(leg).paired) for leg in c.question.legs}
    verdict = worst(by_leg.values())
    leg = next(leg for leg, of_leg in by_leg.items() if of_leg is verdict)
    at_worst, at_best = _possible(both, c.question)
    if not _same_outcome(at_worst, at_best, verdict):
        reason = VerdictReason(ReasonCode.FAILED_CALLS, leg, at_worst, at_best)
        return replace(c, verdict=Verdict.INCONCLUSIVE, reason=reason)
    if verdict in _GOOD and (overruled := _overruled(c)):
        return replace(c, verdict=overruled[0], reason=overruled[1])
    if verdict is Verdict.INCONCLUSIVE:
        return _open(c, by_leg, leg)
    if at_worst is not at_best:  # OK or better, whatever the failed calls would have answered
        return replace(c, verdict=Verdict.OK, reason=VerdictReason(ReasonCode.WITHIN_MARGIN, leg, at_worst, at_best))
    return replace(c, verdict=verdict, reason=VerdictReason(_DECIDED[verdict], leg))


_REQUESTS = ("rendered_hash", "sampling", "decoding", "backend_hash")
"""The parts of a fingerprint that say which requests went to which model."""


def _is_identical(c: Comparison, both: Pairs) -> bool:
    """Whether a change has the very same replies: same requests, one run from the store, same outcome of each case.

    Equal outcomes of new replies are no such proof: another sample could differ.
    """
    if c.question.kind != "change" or c.unequal or c.base.n_errors + c.head.n_errors:
        return False
    is_reused = (c.base.from_store or c.head.from_store) and all(
        c.base.fingerprint.get(part) == c.head.fingerprint.get(part) for part in _REQUESTS
    )
    return is_reused and all(_outcome(b) == _outcome(h) for b, h in both)


def _outcome(case: CaseOutcome) -> tuple[int | str, ...]:
    return case.judged, case.strict, case.lenient, case.compliant, case.answer, case.predicted


_GOOD = frozenset({Verdict.MOVE, Verdict.OK, Verdict.IMPROVED})

_DECIDED = {
    Verdict.MOVE: ReasonCode.WITHIN_MARGIN,
    Verdict.STAY: ReasonCode.BEYOND_MARGIN,
    Verdict.OK: ReasonCode.WITHIN_MARGIN,
    Verdict.IMPROVED: ReasonCode.BETTER,
    Verdict.REGRESSED: ReasonCode.WORSE,
}


def _same_outcome(*verdicts: Verdict) -> bool:
    found = set(verdicts)
    return len(found) == 1 or found == {Verdict.OK, Verdict.IMPROVED}


def _overruled(c: Comparison) -> tuple[Verdict, VerdictReason] | None:
    """The verdict that replaces a good verdict, with its reason; `None` if the good verdict stands."""
    if c.slice_losses:
        return _of_slice(c, c.slice_losses[0])
    if by_cost := _of_cost(c):
        return by_cost
    for leg in c.question.legs:
        base, head = c.leg(leg).base, c.leg(leg).head
        # A head that is right often enough is an improvement on a base that is not.
        if base.low <= NEAR_ZERO and (c.question.kind == "move" or head.low <= NEAR_ZERO):
            return Verdict.INCONCLUSIVE, VerdictReason(ReasonCode.BASE_NEAR_ZERO, leg)
    for leg, least in c.question.least_base:
        if c.question.kind == "move" and c.leg(leg).base.high < least:
            return Verdict.INCONCLUSIVE, VerdictReason(ReasonCode.BASE_BELOW_GATE, leg)
    return None


def _of_slice(c: Comparison, loss: SliceLoss) -> tuple[Verdict, VerdictReason]:
    if not loss.beyond_limit:
        return Verdict.INCONCLUSIVE, VerdictReason(ReasonCode.SLICE_OPEN, loss.leg, slice_loss=loss)
    verdict = Verdict.STAY if c.question.kind == "move" else Verdict.REGRESSED
    return verdict, VerdictReason(ReasonCode.SLICE_LOSS, loss.leg, slice_loss=loss)


def _of_cost(c: Comparison) -> tuple[Verdict, VerdictReason] | None:
    """The verdict that the cost of errors leads to; `None` if it is proven to grow by less than its margin."""
    margin = c.question.costs.margin if c.question.costs else None
    if c.cost is None or margin is None or c.cost.high < margin:
        return None
    leg = c.question.legs[0]
    if c.cost.low > (margin if c.question.kind == "move" else 0) and c.cost.p < c.question.level:
        bad = Verdict.STAY if c.question.kind == "move" else Verdict.REGRESSED
        return bad, VerdictReason(ReasonCode.COST_LOSS, leg)
    return Verdict.INCONCLUSIVE, VerdictReason(ReasonCode.COST_OPEN, leg)


def _open(c: Comparison, by_leg: Mapping[LegName, Verdict], leg: LegName) -> Comparison:
    """An INCONCLUSIVE comparison with its reason. A collapsed slice decides even if the average does not."""
    if c.slice_losses and c.slice_losses[0].beyond_limit:
        verdict, reason = _of_slice(c, c.slice_losses[0])
        return replace(c, verdict=verdict, reason=reason)
    alone = replace(c.question, level=SIGNIFICANT)
    likely = [name for name in by_leg if alone.decide(c.leg(name).paired) is Verdict.REGRESSED]
    if likely:
        return replace(c, verdict=Verdict.INCONCLUSIVE, reason=VerdictReason(ReasonCode.LIKELY_LOSS, likely[0]))
    undecided = [c.leg(name).paired for name, verdict in by_leg.items() if verdict is Verdict.INCONCLUSIVE]
    by_undecided = [cases_needed(paired, c.question) for paired in undecided]
    needed = None if None in by_undecided else max(n for n in by_undecided if n is not None)
    return replace(c, verdict=Verdict.INCONCLUSIVE, reason=VerdictReason(open_reason(needed, c.n), leg), needed=needed)


def _possible(both: Pairs, question: ComparisonQuestion) -> tuple[Verdict, Verdict]:
    """The verdicts with failed calls at their worst and at their best for the head."""
    bounds = [bounds_of(both, leg, question) for leg in question.legs]
    at_worst, at_best = (worst(question.decide(of_leg[end]) for of_leg in bounds) for end in (0, 1))
    return at_worst, at_best


def incomparable(c: Comparison, *, shared: bool) -> ReasonCode | None:
    """Why the runs cannot be compared; `None` if they can."""
    if any(change.what == "contract" for change in c.changed):
        base, head = (side.fingerprint.get("contract", "") for side in (c.base, c.head))
        return ReasonCode.CONTRACT_KIND if base != head else ReasonCode.CONTRACT_SETTINGS
    if c.unequal and not shared:
        return ReasonCode.CASES
    return None if c.n else ReasonCode.NO_SHARED_CASE


def open_reason(needed: int | None, n: int) -> ReasonCode:
    """Why `n` cases leave a difference open. `needed`: the cases that would settle it, as `cases_needed` computes."""
    if needed is not None:
        return ReasonCode.MORE_CASES
    return ReasonCode.TOO_FEW_CASES if n < FEWEST else ReasonCode.TOO_CLOSE


def cases_needed(p: Paired, question: ComparisonQuestion) -> int | None:
    """Compute how many cases in total would lead to a verdict with a chance of 80%, if the observed rates hold.

    Allows for one flip more than was observed, because few cases may show none.

    Returns:
        `None` with fewer than `FEWEST` cases, and if no practical number of cases is enough.
    """
    if p.n < FEWEST:
        return None
    discordance = min(1.0, (p.gains + p.losses + 1) / (p.n + 2))
    level = 1 - question.confidence if question.kind == "move" else question.level
    rule = DecisionRule(question.kind, question.margin, level)
    needed = cases_to_prove(p, rule) if p.anytime else cases_to_decide(p.delta, discordance, p.n, rule)
    return None if needed is None else max(needed, p.n + 1)


def bounds_of(both: Pairs, leg: LegName, question: ComparisonQuestion) -> tuple[Paired, Paired]:
    """The difference of a leg with failed calls at their worst and at their best for the head."""
    count = count_of(leg)

    def filled(case: CaseOutcome, *, right: bool) -> CaseOutcome:
        if case.judged and not case.errors:
            return case
        hits, calls = count(case) + (case.errors if right else 0), max(1, case.judged + case.errors)
        return replace(case, judged=calls, strict=hits, lenient=hits)

    at_worst, at_best = (
        paired_of(
            [(filled(b, right=right), filled(h, right=not right)) for b, h in both],
            count,
            question.confidence,
            anytime=question.anytime,
        )
        for right in (True, False)
    )
    return at_worst, at_best
