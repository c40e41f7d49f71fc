"""What may be said of a rate against a baseline over other cases: the rule of `compare`, for unpaired differences."""

from __future__ import annotations

from harness.compare import Verdict
from harness.compare.verdicts import SIGNIFICANT
from harness.stats.unpaired import Unpaired


def answer(found: Unpaired, margin: float) -> Verdict:
    """As `Question("change", margin).answer` says of a paired difference with the same interval and p."""
    if found.low > 0 and found.p < SIGNIFICANT:
        return Verdict.IMPROVED
    if found.low > -margin:
        return Verdict.OK
    return Verdict.REGRESSED if found.high < 0 and found.p < SIGNIFICANT else Verdict.INCONCLUSIVE
