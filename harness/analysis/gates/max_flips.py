"""`max_flips`: the most cases that may go from right to wrong since the baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from harness.analysis.compare import Verdict
from harness.analysis.gates import Evidence, GateOutcome, GateReason, at_most, undecided

ORDER = 90
COMPARES_WITH = "baseline"
LIMIT = Annotated[int, Field(ge=0)]


def judge(limit: int, evidence: Evidence) -> GateOutcome:
    """Count the cases that were right in the baseline and are wrong now."""
    comparison = evidence.baseline
    if comparison is None:
        return undecided(GateReason.NO_BASELINE, limit)
    if comparison.verdict is Verdict.INCOMPARABLE:
        return undecided(GateReason.COMPARISON, limit, comparison=comparison)
    lost = sum(flip.kind == "right_to_wrong" for flip in comparison.flips)
    return replace(at_most(limit, lost, "lost cases", "count"), comparison=comparison)
