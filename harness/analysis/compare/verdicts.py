"""Verdicts on a difference. The 95% interval decides, never the observed value alone.

May it move? MOVE: shown to be within the margin; STAY: shown to be beyond it; else INCONCLUSIVE.

Did it change? OK: shown to be within the margin; IMPROVED: shown to be better; REGRESSED: shown to be worse, and not
shown to be within the margin; else INCONCLUSIVE.

Of either: INCOMPARABLE, where the cases or the contract are others.
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
    """`move`: may the task go from the base's model to the head's? `change`: is the head still as good as the base was?

    `margin`: how much strict accuracy may be lost, as a share.
    """

    kind: Literal["move", "change"]
    margin: float = DEFAULT_MARGIN

    def answer(self, difference: DifferenceEstimate) -> Verdict:
        """Decide by a difference, head minus base. A change must show in the interval and in the test."""
        within = difference.low > -self.margin
        if self.kind == "move":
            return Verdict.MOVE if within else Verdict.STAY if difference.high < -self.margin else Verdict.INCONCLUSIVE
        proven = difference.p < SIGNIFICANT
        if difference.low > 0 and proven:
            return Verdict.IMPROVED
        if within:
            return Verdict.OK
        return Verdict.REGRESSED if difference.high < 0 and proven else Verdict.INCONCLUSIVE
