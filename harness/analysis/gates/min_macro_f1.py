"""`min_macro_f1`: the least mean of the labels' F1 scores."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, at_least
from harness.analysis.metrics.classification import macro_f1
from harness.analysis.stats import Interval

ORDER = 40
LIMIT = Annotated[float, Field(gt=0, le=1)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge macro-F1 by its bootstrap interval."""
    score = macro_f1(evidence.results, evidence.labels)
    if math.isinf(score.low):  # identical outcomes: a bootstrap has no spread, so take accuracy's interval
        score = Interval(score.value, score.value * evidence.summary.accuracy.strict.low, score.value)
    return at_least(limit, score, "macro-F1", evidence)
