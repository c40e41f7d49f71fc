"""Verdicts on a difference. The 95% interval decides, never the observed value alone.

Question `move`:    MOVE: the loss is proven to be within the margin. STAY: it is proven to exceed the margin.
Question `change`:  OK: the loss is proven to be within the margin. IMPROVED: a gain is proven.
                    REGRESSED: a loss is proven, and is not proven to be within the margin.
Both:               INCONCLUSIVE: nothing is proven. INCOMPARABLE: the cases or the contracts differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

DEFAULT_MARGIN = 0.03
SIGNIFICANT = 0.05


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

    WITHIN_MARGIN = "within_margin"
    BEYOND_MARGIN = "beyond_margin"
    BETTER = "better"
    WORSE = "worse"
    MORE_CASES = "more_cases"
    TOO_FEW_CASES = "too_few_cases"
    ON_MARGIN = "on_margin"
    FAILED_CALLS = "failed_calls"
    CONTRACT_KIND = "contract_kind"
    CONTRACT_SETTINGS = "contract_settings"
    CASES = "cases"
    NO_SHARED_CASE = "no_shared_case"


@dataclass(frozen=True, slots=True)
class VerdictReason:
    """`worst` and `best`: the verdicts that failed calls could lead to, with `FAILED_CALLS` only."""

    code: ReasonCode
    worst: Verdict | None = None
    best: Verdict | None = None


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
class ComparisonQuestion:
    """`move`: may the task move from the base's model to the head's? `change`: is the head as good as the base?

    `margin`: the tolerated loss of strict accuracy, as a share.
    """

    kind: Literal["move", "change"]
    margin: float = DEFAULT_MARGIN

    def decide(self, difference: DifferenceEstimate) -> Verdict:
        """Decide by a difference, head minus base. A change must be proven by the interval and by the test."""
        within = difference.low > -self.margin
        if self.kind == "move":
            return Verdict.MOVE if within else Verdict.STAY if difference.high < -self.margin else Verdict.INCONCLUSIVE
        proven = difference.p < SIGNIFICANT
        if difference.low > 0 and proven:
            return Verdict.IMPROVED
        if within:
            return Verdict.OK
        return Verdict.REGRESSED if difference.high < 0 and proven else Verdict.INCONCLUSIVE
