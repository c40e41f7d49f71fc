"""What a weekly sample of labels can see, before anybody has labelled one. Exact: all outcomes, each with its chance.

The baseline is taken as it is known: an accuracy that was measured on so many cases. The sample is taken as drawn with
equal chances; `reach` asks of every number of right replies that it may hold what `verdicts` would say of it, by itself
and after a week that was lower.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.analysis.compare import Verdict
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.stats import rate
from harness.analysis.stats.unpaired import counted, unpaired
from harness.monitor.verdicts import answer

BASELINE_CASES = 300
"""So many cases a baseline is taken to have."""

SURE = 0.95
"""How sure `weeks` is."""

A_YEAR = 52

RARE = 1e-12
"""An outcome that is rarer is left out."""


@dataclass(frozen=True, slots=True)
class ReviewPower:
    """What `per_week` labels a week see of a drop, `seen` meaning that REGRESSED has been said.

    `first`: the chance that it is seen in the first week; `ok`: of OK in a week. `by_week`: that it has been seen by
    the end of each week of a year. `mean_weeks`: how many it takes on average, infinite where it is never seen.
    """

    per_week: int
    baseline: float
    drop_to: float
    first: float
    ok: float
    by_week: tuple[float, ...]
    mean_weeks: float

    @property
    def weeks(self) -> int | None:
        """After how many weeks it has been seen, `SURE`."""
        return next((week for week, chance in enumerate(self.by_week, 1) if chance >= SURE), None)


def reach(
    baseline: float,
    drop_to: float,
    per_week: int,
    *,
    baseline_cases: int = BASELINE_CASES,
    margin: float = DEFAULT_MARGIN,
) -> ReviewPower:
    """What so many labels a week see of an accuracy that fell from `baseline` to `drop_to`.

    Raises `ValueError` for shares outside of 0..1 and for samples of nothing.
    """
    if not (0 <= baseline <= 1 and 0 <= drop_to <= 1 and per_week > 0 and baseline_cases > 0):
        msg = f"{baseline} on {baseline_cases} cases to {drop_to}, {per_week} a week: shares in 0..1, and some cases"
        raise ValueError(msg)
    import numpy as np
    from scipy.stats import binom

    base = rate(round(baseline * baseline_cases), baseline_cases)
    chances = np.asarray(binom.pmf(np.arange(per_week + 1), per_week, drop_to))
    alone, second = dict.fromkeys(Verdict, 0.0), dict.fromkeys(Verdict, 0.0)
    for right, chance in enumerate(chances.tolist()):
        if chance > RARE:
            change = unpaired(base, counted(right, per_week))
            alone[answer(change, margin, lower_before=False)] += chance
            second[answer(change, margin, lower_before=True)] += chance
    first, lower = (min(1.0, told[Verdict.REGRESSED]) for told in (alone, second))
    ends = first + lower * (lower - first)
    return ReviewPower(
        per_week=per_week,
        baseline=baseline,
        drop_to=drop_to,
        first=first,
        ok=min(1.0, alone[Verdict.OK] + alone[Verdict.IMPROVED]),
        by_week=tuple(_by_week(first, lower)),
        mean_weeks=(1 + lower - first) / ends if ends else math.inf,
    )


def _by_week(first: float, lower: float) -> Iterator[float]:
    """The chance that it has been said by each week, if a week says it by itself with one and is lower with the other.

    A chain of three states: the last week was not lower; it was, once; it has been said.
    """
    usual, once, said = 1.0, 0.0, 0.0
    for _ in range(A_YEAR):
        said += usual * first + once * lower
        usual, once = (usual + once) * (1 - lower), usual * (lower - first)
        yield said
