"""Two runs over the same cases: what differs, whether that is proven, and what has changed between them. Pure.

    comparison = compare(side(base), side(head), Question("change", margin=0.03))
    comparison.verdict, comparison.reason

A `Side` is a run reduced to what comparing needs, so that a run, a baseline file and an import are compared alike.
What each verdict asks for is in verdicts.py; docs/statistics.md tells it at length.
"""

from harness.analysis.compare.changes import Change, changes
from harness.analysis.compare.comparison import Comparison, Difference, Slice, compare
from harness.analysis.compare.flips import Flip, FlipKind
from harness.analysis.compare.sides import CaseOutcome, Side, side
from harness.analysis.compare.verdicts import Question, Verdict

__all__ = [
    "CaseOutcome",
    "Change",
    "Comparison",
    "Difference",
    "Flip",
    "FlipKind",
    "Question",
    "Side",
    "Slice",
    "Verdict",
    "changes",
    "compare",
    "side",
]
