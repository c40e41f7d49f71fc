"""`margin`: the most strict accuracy that the candidate may lose against the reference."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, GateReason, compared, undecided

ORDER = 70
COMPARES_WITH = "reference"
LIMIT = Annotated[float, Field(gt=0, lt=1)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the comparison with the reference."""
    if evidence.reference is None:
        return undecided(GateReason.NO_REFERENCE, limit)
    return compared(limit, evidence.reference, evidence.judge_by)
