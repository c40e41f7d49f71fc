"""Verdicts on a difference. The 95% interval decides, never the observed value alone.

Question `move`:    MOVE: the loss is proven to be within the margin. STAY: it is proven to exceed the margin.
Question `change`:  OK: the loss is proven to be within the margin. IMPROVED: a gain is proven.
                    REGRESSED: a loss is proven, and is not proven to be within the margin.
                    OK without a proof: the replies are the very same, because they are from the store.
Both:               INCONCLUSIVE: nothing is proven. INCOMPARABLE: the cases or the contracts differ.

A comparison has two legs: the strict reading and the lenient reading. Production code that reads strictly needs both,
because a gain in format can hide a loss of capability. Production code that reads leniently, as the router does, needs
the lenient leg only. A label or tag with a large proven loss overrules a good verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from harness.analysis.stats import Paired
from harness.analysis.stats.exact_noninferiority import is_noninferior
from harness.project.evals import CostsConfig

DEFAULT_MARGIN = 0.03
SIGNIFICANT = 0.05

MAX_SLICE_LOSS = 0.10
"""Default for the most strict or lenient accuracy that a single label or tag may lose."""

LegName = Literal["strict", "lenient"]


class Verdict(StrEnum):
    """The outcome of a comparison."""

    MOVE = "MOVE"
    STAY = "STAY"
    OK = "OK"
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    INCOMPARABLE = "INCOMPARABLE"

    @classmethod
    def _missing_(cls, value: object) -> Verdict | None:
        return cls.STAY if value == "KEEP" else None  # the name in files of older versions


class ReasonCode(StrEnum):
    """Why a comparison has its verdict. The figures are in the comparison; report/comparison_text.py has the words."""

    IDENTICAL = "identical"
    WITHIN_MARGIN = "within_margin"
    BEYOND_MARGIN = "beyond_margin"
    BETTER = "better"
    WORSE = "worse"
    LIKELY_LOSS = "likely_loss"
    MORE_CASES = "more_cases"
    TOO_FEW_CASES = "too_few_cases"
    TOO_CLOSE = "too_close"
    SLICE_LOSS = "slice_loss"
    SLICE_OPEN = "slice_open"
    COST_LOSS = "cost_loss"
    COST_OPEN = "cost_open"
    BASE_NEAR_ZERO = "base_near_zero"
    BASE_BELOW_GATE = "base_below_gate"
    FAILED_CALLS = "failed_calls"
    CONTRACT_KIND = "contract_kind"
    CONTRACT_SETTINGS = "contract_settings"
    CASES = "cases"
    NO_SHARED_CASE = "no_shared_case"


UNDECIDED = frozenset({Verdict.INCONCLUSIVE, Verdict.INCOMPARABLE})


class DifferenceEstimate(Protocol):
    """Head minus base, paired or not: the 95% interval, and `p` of the two-sided test of no difference."""

    @property
    def low(self) -> float:
        """Lower bound."""
        ...

    @property
    def high(self) -> float:
        """Upper bound."""
        ...

    @property
    def p(self) -> float:
        """p-value of the two-sided test."""
        ...


@dataclass(frozen=True, slots=True)
class TrafficMix:
    """Shares of production traffic, by label or tag. They need not add up to 1."""

    kind: Literal["label", "tag"]
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ComparisonQuestion:
    """`move`: may the task move from the base's model to the head's? `change`: is the head as good as the base?

    Attributes:
        kind: The question.
        margin: The tolerated loss of accuracy, as a share.
        production: How production code reads replies. It decides which legs count.
        level: Two-sided error: of the intervals behind MOVE and STAY, and of the test behind REGRESSED.
        candidates: Prompts and models that were compared on the same cases, this one included. They share `level`.
        max_label_loss: The most accuracy that one label may lose, as a share. 1 allows any loss.
        max_tag_loss: The same for one tag.
        least_base: The accuracy that the base must not be proven to miss, by leg. For `move` only.
        mix: Weights of labels or tags by their share of the traffic; all cases count alike without it.
        costs: Costs of errors, which the verdict takes into account if they have a margin.
        anytime: Use intervals that hold at every number of cases, for runs that stop when a verdict is proven.
    """

    kind: Literal["move", "change"]
    margin: float = DEFAULT_MARGIN
    production: LegName = "strict"
    level: float = SIGNIFICANT
    candidates: int = 1
    max_label_loss: float = MAX_SLICE_LOSS
    max_tag_loss: float = MAX_SLICE_LOSS
    least_base: tuple[tuple[LegName, float], ...] = ()
    anytime: bool = False
    mix: TrafficMix | None = None
    costs: CostsConfig | None = None

    @property
    def legs(self) -> tuple[LegName, ...]:
        """The legs that count."""
        return ("lenient",) if self.production == "lenient" else ("strict", "lenient")

    @property
    def confidence(self) -> float:
        """Confidence of the intervals. Those of a change stay at 95%: only its test is stricter."""
        return 1 - self.level / self.candidates if self.kind == "move" else 1 - SIGNIFICANT

    def decide(self, difference: DifferenceEstimate) -> Verdict:
        """Decide by a difference, head minus base.

        A change must be proven by the interval and by the test. In a small set, MOVE also needs the exact test.
        """
        within = difference.low > -self.margin
        if self.kind == "move":
            if isinstance(difference, Paired):
                within = is_noninferior(difference, self.margin, 1 - self.confidence)
            return Verdict.MOVE if within else Verdict.STAY if difference.high < -self.margin else Verdict.INCONCLUSIVE
        if difference.low > 0 and difference.p < SIGNIFICANT:
            return Verdict.IMPROVED
        if within:
            return Verdict.OK
        proven = difference.p < self.level
        return Verdict.REGRESSED if difference.high < 0 and proven else Verdict.INCONCLUSIVE


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine the verdicts of legs that all count: one bad leg is enough, and IMPROVED needs no other open leg."""
    found = set(verdicts)
    order = (Verdict.REGRESSED, Verdict.STAY, Verdict.INCONCLUSIVE, Verdict.IMPROVED, Verdict.OK, Verdict.MOVE)
    return next(verdict for verdict in order if verdict in found)
