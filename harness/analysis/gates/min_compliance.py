"""`min_compliance`: the least share of replies that keep the contract."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, at_least

ORDER = 30
PER_TAG = True
LIMIT = Annotated[float, Field(gt=0, le=1)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the rate of replies that production code accepts."""
    return at_least(limit, evidence.summary.accuracy.compliance, "compliance", evidence)
