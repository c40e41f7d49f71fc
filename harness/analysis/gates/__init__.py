"""Gates: limits that a run must reach. One file per gate, found by its name, which is its key in `[gates]`.

A gate file has

    LIMIT = Annotated[float, Field(gt=0, le=1)]            what its value in `[gates]` may be
    def judge(limit, evidence) -> GateOutcome              judge the limit by the evidence

and, if the defaults do not fit, `ORDER` (default 100), `PER_TAG` (False: not in `[gates.tag.x]`) and
`COMPARES_WITH` ("reference" or "baseline": `evidence` has a comparison with its run).

A gate passes by the end of a 95% interval that proves the point. `judge = "point"` in `[gates]` judges by the observed
value instead. report/gate_text.py renders outcomes from their figures, so a new gate needs no text of its own.
"""

from harness.analysis.gates._outcomes import (
    Evidence,
    GateOutcome,
    GateReason,
    GateResult,
    GateStatus,
    at_least,
    at_most,
    compared,
    undecided,
)
from harness.analysis.gates._registry import check, comparing_with, judge, names

__all__ = [
    "Evidence",
    "GateOutcome",
    "GateReason",
    "GateResult",
    "GateStatus",
    "at_least",
    "at_most",
    "check",
    "compared",
    "comparing_with",
    "judge",
    "names",
    "undecided",
]
