"""`max_regression`: the most strict accuracy that a cell may lose against its baseline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, GateReason, compared, undecided

ORDER = 80
COMPARES_WITH = "baseline"
LIMIT = Annotated[float, Field(gt=0, lt=1)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the comparison with the baseline."""
    if evidence.baseline is None:
        return undecided(GateReason.NO_BASELINE, limit)
    return compared(limit, evidence.baseline, evidence.judge_by)
