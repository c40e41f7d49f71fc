"""A comparison of two runs: rates, paired differences, flips, slices, verdict."""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.compare.changes import Change
from harness.analysis.compare.flips import Flip
from harness.analysis.compare.paired_rates import Difference
from harness.analysis.compare.sides import RunOutcomes
from harness.analysis.compare.slices import Slice, SliceLoss
from harness.analysis.compare.traffic_mix import CostDifference
from harness.analysis.compare.verdicts import ComparisonQuestion, LegName, ReasonCode, Verdict
from harness.analysis.stats import Interval, Paired


@dataclass(frozen=True, slots=True)
class VerdictReason:
    """Why a comparison has its verdict.

    `leg`: the leg that decided. `worst` and `best`: the verdicts that failed calls could lead to, if they differ.
    `slice_loss`: with `SLICE_LOSS` and `SLICE_OPEN` only.
    """

    code: ReasonCode
    leg: LegName = "strict"
    worst: Verdict | None = None
    best: Verdict | None = None
    slice_loss: SliceLoss | None = None


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

    `capability_gap` and `format_gap`: the parts of the strict difference due to answers and due to phrasing. They add
    up to it, head minus base.
    `answering`: how often a reply has an answer, read leniently. `right_if_answered`: the lenient difference over the
    cases that both answered with an answer.
    `flips`: read by the first leg that counts.
    `bounds`: the first leg's difference with failed calls at their worst and at their best for the head.
    `needed`: the total number of cases that would settle an INCONCLUSIVE verdict.
    `cost`: of errors per case, if the eval has `[costs]`.
    `labelled_by`: the models of this comparison that made expected answers, with the number of cases.
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
    answering: Difference
    right_if_answered: Paired
    flips: tuple[Flip, ...]
    answers_changed: int
    slices: tuple[Slice, ...]
    slice_losses: tuple[SliceLoss, ...]
    bounds: tuple[Paired, Paired]
    unequal: CaseMismatch
    changed: tuple[Change, ...]
    needed: int | None = None
    labelled_by: tuple[tuple[str, int], ...] = ()
    cost: CostDifference | None = None

    def leg(self, name: LegName) -> Difference:
        """The difference of one leg, whether it counts or not."""
        return self.strict if name == "strict" else self.lenient

    @property
    def deciding(self) -> Difference:
        """The difference of the leg that decided."""
        return self.leg(self.reason.leg)

    @property
    def lost_cases(self) -> tuple[str, ...]:
        """The cases that went from right to wrong, read by the leg that decided."""
        leg, head = self.reason.leg, self.head.cases
        compared = (
            (case, head[i]) for i, case in self.base.cases.items() if i in head and head[i].digest == case.digest
        )
        return tuple(
            base.id
            for base, after in compared
            if base.judged and after.judged and base.is_right_read(leg) and not after.is_right_read(leg)
        )

    @property
    def is_only_format(self) -> bool:
        """Whether an unproven or refused move fails by phrasing alone: the lenient reading would be MOVE.

        No label or tag may have a proven lenient loss, because another format would not bring its answers back.
        """
        by_phrasing = self.reason.code in {ReasonCode.BEYOND_MARGIN, ReasonCode.MORE_CASES, ReasonCode.TOO_CLOSE}
        return (
            self.question.kind == "move"
            and self.question.production == "strict"
            and self.reason.leg == "strict"
            and by_phrasing
            and self.format_gap.high < 0
            and self.question.decide(self.lenient.paired) is Verdict.MOVE
            and not any(loss.leg == "lenient" for loss in self.slice_losses)
        )

    @property
    def has_opposite_gaps(self) -> bool:
        """Whether format and capability are proven to have changed in opposite directions."""
        capability, form = self.capability_gap, self.format_gap
        return (capability.high < 0 and form.low > 0) or (capability.low > 0 and form.high < 0)
