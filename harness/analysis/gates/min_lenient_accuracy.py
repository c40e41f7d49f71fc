"""`min_lenient_accuracy`: the least accuracy of replies read leniently."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, at_least

ORDER = 20
PER_TAG = True
LIMIT = Annotated[float, Field(gt=0, le=1)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the rate of right answers, whatever their form."""
    return at_least(limit, evidence.summary.accuracy.lenient, "lenient accuracy", evidence)
