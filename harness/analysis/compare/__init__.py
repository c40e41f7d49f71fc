"""Two runs over the same cases: what differs, whether that is proven, and what has changed between them. Pure.

    comparison = compare(side(base), side(head), Question("change", margin=0.03))
    comparison.verdict, comparison.reason

A `RunOutcomes` is a run reduced to what comparing needs, so runs, baselines and imports compare alike.
What each verdict asks for is in verdicts.py; docs/statistics.md tells it at length.
"""

from harness.analysis.compare.changes import Change, changes
from harness.analysis.compare.comparison import Comparison, Difference, Slice, compare
from harness.analysis.compare.flips import Flip, FlipKind
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes, outcomes_of
from harness.analysis.compare.verdicts import ComparisonQuestion, Verdict

__all__ = [
    "CaseOutcome",
    "Change",
    "Comparison",
    "ComparisonQuestion",
    "Difference",
    "Flip",
    "FlipKind",
    "RunOutcomes",
    "Slice",
    "Verdict",
    "changes",
    "compare",
    "outcomes_of",
]
