"""`max_p95_latency_s`: the most seconds that 95% of the replies may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, at_most

ORDER = 50
LIMIT = Annotated[float, Field(gt=0)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the 95th percentile of the latency."""
    return at_most(limit, evidence.summary.latency_p95_s, "p95 latency", "seconds")
