"""`min_accuracy`: the least strict accuracy, as production code reads the replies."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, at_least

ORDER = 10
PER_TAG = True
LIMIT = Annotated[float, Field(gt=0, le=1)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the rate of right answers."""
    return at_least(limit, evidence.summary.accuracy.strict, "strict accuracy", evidence)
