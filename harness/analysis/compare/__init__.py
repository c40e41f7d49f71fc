"""Compare two runs over the same cases: the difference, whether it is proven, and what changed between the runs.

    comparison = compare(outcomes_of(base), outcomes_of(head), ComparisonQuestion("change", margin=0.03))
    comparison.verdict, comparison.reason.code

`RunOutcomes` is a run reduced to what a comparison needs, so runs, baselines and imports compare alike.
verdicts.py defines the verdicts; docs/statistics.md explains them.
"""

from harness.analysis.compare.changes import Change, changes
from harness.analysis.compare.comparison import Comparison, VerdictReason
from harness.analysis.compare.flips import Flip, FlipKind
from harness.analysis.compare.paired_rates import Difference
from harness.analysis.compare.pairing import compare
from harness.analysis.compare.questions import question_of
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes, outcomes_of
from harness.analysis.compare.slices import Slice, SliceLoss
from harness.analysis.compare.verdicts import ComparisonQuestion, LegName, ReasonCode, Verdict

__all__ = [
    "CaseOutcome",
    "Change",
    "Comparison",
    "ComparisonQuestion",
    "Difference",
    "Flip",
    "FlipKind",
    "LegName",
    "ReasonCode",
    "RunOutcomes",
    "Slice",
    "SliceLoss",
    "Verdict",
    "VerdictReason",
    "changes",
    "compare",
    "outcomes_of",
    "question_of",
]
