"""Evidence that gates are judged by, and the outcomes they return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from harness.analysis.compare import Comparison, Verdict
from harness.analysis.dataset_power import UndecidableGate
from harness.analysis.metrics.summary import Summary
from harness.analysis.stats import Interval, Rate
from harness.core.types import Result
from harness.project.pricing import Price


class GateStatus(StrEnum):
    """PASSED and FAILED are proven. UNDECIDED: calls failed, or nothing can be proven."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class GateReason(StrEnum):
    """How a gate was judged, or why it is undecided."""

    INTERVAL = "interval"
    POINT = "point"
    VALUE = "value"
    COMPARISON = "comparison"
    FAILED_CALLS = "failed_calls"
    NO_ANSWERS = "no_answers"
    NO_TAGGED_CASES = "no_tagged_cases"
    NOT_MEASURED = "not_measured"
    NO_PRICE = "no_price"
    NO_REFERENCE = "no_reference"
    NO_BASELINE = "no_baseline"
    TOO_FEW_CASES = "too_few_cases"


Unit = Literal["share", "seconds", "usd", "count"]


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What a gate observed against its limit.

    `quantity`: what was measured, such as `strict accuracy`. `is_minimum`: the limit is the least value.
    `hits` of `n`: the counts behind a rate. `basis`: where a figure is from, such as a price list.
    `failed` of `calls`: failed calls, by kind in `errors`. `undecidable`: what TOO_FEW_CASES lacks.
    """

    status: GateStatus
    reason: GateReason
    limit: float | None = None
    quantity: str = ""
    unit: Unit = "share"
    is_minimum: bool = True
    observed: float | None = None
    interval: Interval | None = None
    hits: float | None = None
    n: int | None = None
    basis: str = ""
    comparison: Comparison | None = None
    failed: int = 0
    calls: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    undecidable: UndecidableGate | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """The outcome of one gate of one cell. `tag`: the cases that it covers; empty for all.

    `required`: the user set the gate, so that UNDECIDED is not good enough.
    """

    gate: str
    cell: str
    outcome: GateOutcome
    tag: str = ""
    required: bool = True

    @property
    def status(self) -> GateStatus:
        """Passed, failed or undecided."""
        return self.outcome.status


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates of one cell are judged by.

    `price`: `None` if unknown. `reference` and `baseline`: `None` if there is no such run to compare with.
    `undecidable`: the gates that the golden set is too small for.
    """

    cell: str
    summary: Summary
    results: Sequence[Result] = ()
    labels: tuple[str, ...] = ()
    price: Price | None = None
    reference: Comparison | None = None
    baseline: Comparison | None = None
    judge_by: Literal["interval", "point"] = "interval"
    undecidable: tuple[UndecidableGate, ...] = ()


def at_least(limit: float, measured: Rate | Interval, quantity: str, evidence: Evidence) -> GateOutcome:
    """Pass if the lower bound of `measured` reaches the limit; under `judge = "point"`, if its value does."""
    by_point = evidence.judge_by == "point"
    passed = (measured.value if by_point else measured.low) >= limit
    hits, n = (measured.hits, measured.n) if isinstance(measured, Rate) else (None, None)
    return GateOutcome(
        status=GateStatus.PASSED if passed else GateStatus.FAILED,
        reason=GateReason.POINT if by_point else GateReason.INTERVAL,
        limit=limit,
        quantity=quantity,
        observed=measured.value,
        interval=Interval(measured.value, max(0.0, measured.low), min(1.0, measured.high)),
        hits=hits,
        n=n,
    )


def at_most(limit: float, observed: float | None, quantity: str, unit: Unit, basis: str = "") -> GateOutcome:
    """Pass if the observed value is within the limit; undecided if nothing was measured."""
    if observed is None:
        return undecided(GateReason.NOT_MEASURED, limit, quantity)
    return GateOutcome(
        status=GateStatus.PASSED if observed <= limit else GateStatus.FAILED,
        reason=GateReason.VALUE,
        limit=limit,
        quantity=quantity,
        unit=unit,
        is_minimum=False,
        observed=observed,
        basis=basis,
    )


def undecided(
    reason: GateReason, limit: float | None = None, quantity: str = "", comparison: Comparison | None = None
) -> GateOutcome:
    """An outcome that decides nothing, and why."""
    return GateOutcome(GateStatus.UNDECIDED, reason, limit=limit, quantity=quantity, comparison=comparison)


def compared(limit: float, comparison: Comparison, judge_by: Literal["interval", "point"]) -> GateOutcome:
    """Pass if a comparison shows no loss of more than the limit."""
    verdict = comparison.verdict
    by_point = judge_by == "point" and verdict is not Verdict.INCOMPARABLE
    if by_point:
        passed = all(comparison.leg(leg).paired.delta >= -limit for leg in comparison.question.legs)
    elif verdict in {Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE}:
        return undecided(GateReason.COMPARISON, limit, comparison=comparison)
    else:
        passed = verdict in {Verdict.MOVE, Verdict.OK, Verdict.IMPROVED}
    return GateOutcome(
        status=GateStatus.PASSED if passed else GateStatus.FAILED,
        reason=GateReason.POINT if by_point else GateReason.COMPARISON,
        limit=limit,
        observed=comparison.deciding.paired.delta,
        comparison=comparison,
    )
