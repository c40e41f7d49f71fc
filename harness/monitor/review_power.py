"""Power of a weekly review: the chance that a sample of labels detects a drop in accuracy. Exact, not simulated.

The baseline is an accuracy measured on a number of cases. The sample is a simple random sample. For every possible
number of correct replies, `review_power` computes the verdict of `review`, with and without a low week before. The rule
covers all cells of the project, so more cells need a larger drop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.analysis.compare import Verdict
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.stats import rate
from harness.analysis.stats.unpaired import counted, unpaired
from harness.monitor.review_rule import WEEK_SPREAD, WEEKS_PER_YEAR, weekly_verdict

BASELINE_CASES = 300
"""Default size of the baseline."""

CERTAINTY = 0.95
"""Probability behind `ReviewPower.weeks`."""

RARE = 1e-12
"""Outcomes with a smaller probability are skipped."""


@dataclass(frozen=True, slots=True)
class ReviewPower:
    """Power of `per_week` labels a week for one cell. A drop is detected when a review says REGRESSED.

    Attributes:
        cells: Cells under review in the project.
        per_week: Labels a week.
        baseline: Accuracy before the drop.
        drop_to: Accuracy after the drop.
        first: Probability of detection in the first week.
        lower: Probability of detection in a week after a lower week.
        ok: Probability of the verdict OK or IMPROVED in a week.
        by_week: Probability of detection by the end of each week of a year.
        mean_weeks: Mean number of weeks until detection; infinite if detection is impossible.

    """

    cells: int
    per_week: int
    baseline: float
    drop_to: float
    first: float
    lower: float
    ok: float
    by_week: tuple[float, ...]
    mean_weeks: float

    @property
    def weeks(self) -> int | None:
        """Weeks until detection with probability `CERTAINTY`; `None` if more than a year."""
        return next((week for week, chance in enumerate(self.by_week, 1) if chance >= CERTAINTY), None)


def review_power(  # noqa: PLR0913  the flags of `harness monitor power`
    baseline: float,
    drop_to: float,
    per_week: int,
    *,
    baseline_cases: int = BASELINE_CASES,
    margin: float = DEFAULT_MARGIN,
    cells: int = 1,
) -> ReviewPower:
    """Compute the power of `per_week` labels a week to detect a drop of one cell from `baseline` to `drop_to`.

    Raises `ValueError` for shares outside 0..1, and for empty samples or no cells.
    """
    if not (0 <= baseline <= 1 and 0 <= drop_to <= 1 and per_week > 0 and baseline_cases > 0 and cells > 0):
        msg = (
            f"baseline {baseline}, drop_to {drop_to} must be in 0..1; "
            f"baseline_cases {baseline_cases}, per_week {per_week}, cells {cells} must be positive"
        )
        raise ValueError(msg)
    import numpy as np
    from scipy.stats import binom

    base = rate(round(baseline * baseline_cases), baseline_cases)
    chances = np.asarray(binom.pmf(np.arange(per_week + 1), per_week, drop_to))
    alone, second = dict.fromkeys(Verdict, 0.0), dict.fromkeys(Verdict, 0.0)
    for right, chance in enumerate(chances.tolist()):
        if chance > RARE:
            change = unpaired(base, counted(right, per_week), spread=WEEK_SPREAD)
            alone[weekly_verdict(change, margin, lower_before=False, cells=cells)] += chance
            second[weekly_verdict(change, margin, lower_before=True, cells=cells)] += chance
    first, lower = (min(1.0, chances_of[Verdict.REGRESSED]) for chances_of in (alone, second))
    ends = first + lower * (lower - first)
    return ReviewPower(
        cells=cells,
        per_week=per_week,
        baseline=baseline,
        drop_to=drop_to,
        first=first,
        lower=lower,
        ok=min(1.0, alone[Verdict.OK] + alone[Verdict.IMPROVED]),
        by_week=tuple(_by_week(first, lower)),
        mean_weeks=(1 + lower - first) / ends if ends else math.inf,
    )


def _by_week(first: float, lower: float) -> Iterator[float]:
    """Yield the probability of detection by the end of each week.

    `first`: probability that a week alone is REGRESSED; `lower`: probability that it is below the baseline.
    A Markov chain of three states: last week was not lower, last week was lower, detected.
    """
    usual, low_once, detected = 1.0, 0.0, 0.0
    for _ in range(WEEKS_PER_YEAR):
        detected += usual * first + low_once * lower
        usual, low_once = (usual + low_once) * (1 - lower), usual * (lower - first)
        yield detected
