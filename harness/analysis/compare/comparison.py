"""Compare two runs case by case: rates, paired differences, flips, slices, verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.analysis.compare.changes import Change, changes
from harness.analysis.compare.flips import Flip, answers_changed, flips
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes
from harness.analysis.compare.verdicts import ComparisonQuestion, ReasonCode, Verdict, VerdictReason
from harness.analysis.stats import (
    Interval,
    Paired,
    Rate,
    clustered_paired,
    clustered_rate,
    holm,
    macro_f1_difference,
    paired_bootstrap,
    settles,
)

FEWEST = 20
"""Fewer cases do not show how often two runs differ, so the number of cases needed cannot be estimated."""

Pairs = Sequence[tuple[CaseOutcome, CaseOutcome]]
Count = Callable[[CaseOutcome], int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate of both runs and the difference, head minus base, over the same cases."""

    base: Rate
    head: Rate
    paired: Paired


@dataclass(frozen=True, slots=True)
class Slice:
    """The difference among the cases of one tag or label. `p` is adjusted for the number of slices (Holm)."""

    kind: str
    name: str
    strict: Difference
    p: float


@dataclass(frozen=True, slots=True)
class CaseMismatch:
    """Case ids that only one run has, and those whose content differs."""

    only_base: tuple[str, ...] = ()
    only_head: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.only_base or self.only_head or self.edited)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs over the same cases. Rates and flips cover the `n` cases that both answered.

    `capability_gap` and `format_gap`: the parts of the difference due to answers and due to phrasing. They add up to
    `strict.paired.delta`, head minus base.
    `bounds`: the difference with failed calls at their worst and at their best for the head.
    `needed`: the total number of cases that would settle an INCONCLUSIVE verdict.
    """

    base: RunOutcomes
    head: RunOutcomes
    question: ComparisonQuestion
    verdict: Verdict
    reason: VerdictReason
    n: int
    strict: Difference
    lenient: Difference
    compliance: Difference
    macro_f1: tuple[float, float, Interval] | None
    capability_gap: Paired
    format_gap: Paired
    flips: tuple[Flip, ...]
    answers_changed: int
    slices: tuple[Slice, ...]
    bounds: tuple[Paired, Paired]
    unequal: CaseMismatch
    changed: tuple[Change, ...]
    needed: int | None = None


def compare(base: RunOutcomes, head: RunOutcomes, question: ComparisonQuestion, *, shared: bool = False) -> Comparison:
    """Compare two runs. `shared`: if their cases differ, compare the cases that both have."""
    unequal = _unequal(base, head)
    both = [(case, head.cases[i]) for i, case in base.cases.items() if i in head.cases and i not in unequal.edited]
    pairs = [(b, h) for b, h in both if b.judged and h.judged]
    strict = _difference(pairs, lambda case: case.strict)
    comparison = Comparison(
        base=base,
        head=head,
        question=question,
        verdict=question.decide(strict.paired),
        reason=VerdictReason(ReasonCode.NO_SHARED_CASE),
        n=len(pairs),
        strict=strict,
        lenient=_difference(pairs, lambda case: case.lenient),
        compliance=_difference(pairs, lambda case: case.compliant),
        macro_f1=_macro_f1(pairs, base.labels) if base.labels == head.labels else None,
        capability_gap=_paired(pairs, lambda case: case.lenient),
        format_gap=negated(_paired(pairs, lambda case: case.lenient - case.strict)),
        flips=flips(pairs),
        answers_changed=answers_changed(pairs),
        slices=_slices(pairs),
        bounds=_bounds(both),
        unequal=unequal,
        changed=changes(base.fingerprint, head.fingerprint, (base.backend, head.backend)),
    )
    return _judge(comparison, shared=shared)


def _judge(c: Comparison, *, shared: bool) -> Comparison:
    """Adjust the verdict for contracts, cases and failed calls."""
    if code := _incomparable(c, shared=shared):
        return replace(c, verdict=Verdict.INCOMPARABLE, reason=VerdictReason(code))
    worst, best = (c.question.decide(bound) for bound in c.bounds)
    if {worst, best} != {c.verdict}:
        return replace(c, verdict=Verdict.INCONCLUSIVE, reason=VerdictReason(ReasonCode.FAILED_CALLS, worst, best))
    if c.verdict is not Verdict.INCONCLUSIVE:
        return replace(c, reason=VerdictReason(_DECIDED[c.verdict]))
    needed = cases_needed(c.strict.paired, c.question.margin)
    return replace(c, reason=VerdictReason(open_reason(needed, c.n)), needed=needed)


_DECIDED = {
    Verdict.MOVE: ReasonCode.WITHIN_MARGIN,
    Verdict.STAY: ReasonCode.BEYOND_MARGIN,
    Verdict.OK: ReasonCode.WITHIN_MARGIN,
    Verdict.IMPROVED: ReasonCode.BETTER,
    Verdict.REGRESSED: ReasonCode.WORSE,
}


def _incomparable(c: Comparison, *, shared: bool) -> ReasonCode | None:
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
    return ReasonCode.TOO_FEW_CASES if n < FEWEST else ReasonCode.ON_MARGIN


def cases_needed(p: Paired, margin: float) -> int | None:
    """Compute how many cases in total would show on which side of `-margin` the observed difference lies.

    Allows for one flip more than was observed, because few cases may show none.

    Returns:
        `None` with fewer than `FEWEST` cases, and for a difference equal to the margin, which no number settles.
    """
    if p.n < FEWEST:
        return None
    needed = settles(p.delta, min(1.0, (p.gains + p.losses + 1) / (p.n + 2)), p.n, margin)
    return None if needed is None else max(needed, p.n + 1)


def _unequal(base: RunOutcomes, head: RunOutcomes) -> CaseMismatch:
    edited = (i for i, case in base.cases.items() if i in head.cases and case.digest != head.cases[i].digest)
    return CaseMismatch(
        tuple(i for i in base.cases if i not in head.cases),
        tuple(i for i in head.cases if i not in base.cases),
        tuple(edited),
    )


def _difference(pairs: Pairs, count: Count) -> Difference:
    base = clustered_rate([(count(b), b.judged) for b, _ in pairs])
    head = clustered_rate([(count(h), h.judged) for _, h in pairs])
    return Difference(base, head, _paired(pairs, count))


def _paired(pairs: Pairs, count: Count) -> Paired:
    return clustered_paired([(count(b), b.judged) for b, _ in pairs], [(count(h), h.judged) for _, h in pairs])


def negated(p: Paired) -> Paired:
    """The same difference with its sign changed, as seen from the other run."""
    return Paired(p.losses, p.gains, p.n, -p.delta, -p.high, -p.low, p.p)


def _macro_f1(pairs: Pairs, labels: tuple[str, ...]) -> tuple[float, float, Interval] | None:
    """Macro-F1 of base and head, and the difference; `None` if the cases do not expect labels."""
    if not labels or not pairs or any(b.expected not in labels for b, _ in pairs):
        return None
    import numpy as np

    number = {label: i for i, label in enumerate(labels)}
    expected = [number[b.expected] for b, _ in pairs]
    base, head = ([number.get(case.predicted, -1) for case in each] for each in zip(*pairs, strict=True))
    interval = paired_bootstrap(macro_f1_difference(expected, base, head, len(labels)), len(pairs))
    never = [-2] * len(pairs)  # against a run that is never right, the difference is the score itself
    scores = [
        float(macro_f1_difference(expected, never, predicted, len(labels))(np.ones((1, len(pairs))))[0])
        for predicted in (base, head)
    ]
    return scores[0], scores[1], interval


def _slices(pairs: Pairs) -> tuple[Slice, ...]:
    named: dict[tuple[str, str], list[tuple[CaseOutcome, CaseOutcome]]] = {}
    for pair in pairs:
        keys = [("tag", tag) for tag in pair[0].tags] + ([("label", pair[0].expected)] if pair[0].expected else [])
        for key in keys:
            named.setdefault(key, []).append(pair)
    differences = [(key, _difference(cases, lambda case: case.strict)) for key, cases in sorted(named.items())]
    adjusted = holm([difference.paired.p for _, difference in differences])
    return tuple(Slice(*key, difference, p) for (key, difference), p in zip(differences, adjusted, strict=True))


def _bounds(both: Pairs) -> tuple[Paired, Paired]:
    """The strict difference with failed calls at their worst and at their best for the head."""

    def filled(case: CaseOutcome, *, right: bool) -> tuple[int, int]:
        return case.strict + (case.errors if right else 0), max(1, case.judged + case.errors)

    worst = clustered_paired([filled(b, right=True) for b, _ in both], [filled(h, right=False) for _, h in both])
    best = clustered_paired([filled(b, right=False) for b, _ in both], [filled(h, right=True) for _, h in both])
    return worst, best
