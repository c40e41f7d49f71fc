"""Types of an advice: the decision on each eval, its reasons, and the projected bill."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from harness.analysis.compare import Comparison
from harness.analysis.costs.projection import CostProjection, EvalCost


class Decision(StrEnum):
    """Advice on a task."""

    MOVE = "MOVE"
    STAY = "STAY"
    INCONCLUSIVE = "INCONCLUSIVE"

    @classmethod
    def _missing_(cls, value: object) -> Decision | None:
        return cls.STAY if value == "KEEP" else None  # the name in files of older versions


Stands = Literal["for", "against", "open", "note"]
"""Whether a reason is for moving, against it, an open question, or a note."""


class AdviceCode(StrEnum):
    """What a reason is about."""

    CAPACITY = "capacity"
    CONTEXT = "context"
    FORMAT = "format"
    GATE = "gate"
    INDEX = "index"
    KEEP = "keep"
    LATENCY = "latency"
    PRICE = "price"
    QUALITY = "quality"
    ROUTE = "route"
    SAMPLE = "sample"
    SAVINGS = "savings"
    SERVICE = "service"
    STALE = "stale"
    TOKENS = "tokens"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of an advice. `text` is rendered by report/advice_text.py."""

    code: AdviceCode
    stands: Stands
    text: str


@dataclass(frozen=True, slots=True)
class EvalAdvice:
    """Advice on one eval with its reasons. `comparison`: the basis of the quality verdict."""

    cost: EvalCost
    decision: Decision
    reasons: tuple[Reason, ...]
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice on every eval that has traffic. `left_out`: evals without traffic."""

    advised: tuple[EvalAdvice, ...]
    bill: CostProjection
    left_out: tuple[str, ...] = ()

    def of(self, name: str) -> EvalAdvice | None:
        """The advice on one eval."""
        return next((advice for advice in self.advised if advice.cost.eval == name), None)
