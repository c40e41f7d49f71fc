"""Noise floor: how many answers change between two identical runs.

Batching is not deterministic even at temperature 0, so some answers differ from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from harness.analysis.compare.changes import changes
from harness.analysis.compare.comparison import Comparison
from harness.analysis.compare.pairing import compare
from harness.analysis.compare.sides import outcomes_of
from harness.analysis.compare.verdicts import ComparisonQuestion
from harness.core.types import Run


def floor(runs: Sequence[Run]) -> Comparison | None:
    """Compare the first two identical runs; `None` if there are none.

    Runs with cached answers are skipped, because their answers are those of another run.
    """
    fresh = [run for run in runs if not any(result.cached for result in run.results)]
    for base, head in combinations(fresh, 2):
        same = (base.manifest.eval, base.manifest.cell) == (head.manifest.eval, head.manifest.cell)
        if same and not changes(base.manifest.fingerprint, head.manifest.fingerprint):
            noise = compare(outcomes_of(base), outcomes_of(head), ComparisonQuestion("change"), shared=True)
            if noise.n:
                return noise
    return None


def beyond(comparison: Comparison, noise: Comparison) -> float:
    """Answers changed in excess of the noise; at least 0."""
    return max(0.0, comparison.answers_changed - comparison.n * noise.answers_changed / noise.n)
