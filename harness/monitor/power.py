"""What a weekly sample of labels can see, before anybody has labelled one. Exact: all outcomes, each with its chance.

The baseline is taken as it is known: an accuracy that was measured on so many cases. The sample is taken as drawn with
equal chances; `reach` asks of every number of right replies that it may hold what `verdicts` would say of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.compare import Question, Verdict
from harness.compare.verdicts import DEFAULT_MARGIN
from harness.stats import rate
from harness.stats.unpaired import counted, unpaired

BASELINE_CASES = 300
"""So many cases a baseline is taken to have."""

SURE = 0.95
"""How sure `weeks` is."""

A_YEAR = 52

RARE = 1e-12
"""An outcome that is rarer is left out."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What `per_week` labels a week see of a drop. `first`: the chance of REGRESSED in the first week; `ok`: of OK.

    `weeks`: after how many it has been seen at least once with a chance of `SURE`, `None` where a year is not enough.
    `mean_weeks`: how many it takes on average, infinite where it is never seen.
    """

    per_week: int
    baseline: float
    drop_to: float
    first: float
    ok: float
    weeks: int | None
    mean_weeks: float


def reach(
    baseline: float,
    drop_to: float,
    per_week: int,
    *,
    baseline_cases: int = BASELINE_CASES,
    margin: float = DEFAULT_MARGIN,
) -> Reach:
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
    question, by_verdict = Question("change", margin), dict.fromkeys(Verdict, 0.0)
    for right, chance in enumerate(chances.tolist()):
        if chance > RARE:
            by_verdict[question.answer(unpaired(base, counted(right, per_week)))] += chance
    first = min(1.0, by_verdict[Verdict.REGRESSED])
    return Reach(
        per_week=per_week,
        baseline=baseline,
        drop_to=drop_to,
        first=first,
        ok=min(1.0, by_verdict[Verdict.OK] + by_verdict[Verdict.IMPROVED]),
        weeks=_weeks(first),
        mean_weeks=1 / first if first else math.inf,
    )


def _weeks(first: float) -> int | None:
    if first >= SURE:
        return 1
    if first <= 0:
        return None
    needed = math.ceil(math.log(1 - SURE) / math.log1p(-first) - 1e-9)
    return needed if needed <= A_YEAR else None
