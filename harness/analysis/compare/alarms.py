"""Alarms of a project: when is one of many comparisons a proof that something got worse?

With 100 cells, five comparisons a week fall below p = 0.05 by chance. The rules here keep the whole project at one
false alarm a year, whatever its number of cells:

- A comparison with a baseline, or across a change of the fingerprint, is judged at `family_level`.
- Nothing changed in the fingerprint: this week's run and a second run must both be worse than the weeks before, each at
  `repeat_level`. The runs share only the noise of the weeks before, so both being worse by chance is rare.

bench/accuracy/weekly_alarms.py measures both; docs/statistics.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

from harness.analysis.compare.changes import Change
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes
from harness.analysis.compare.verdicts import SIGNIFICANT

WEEKS = 52
"""Weeks in which one false alarm is tolerated."""

HISTORY = 4
"""Most earlier weeks that are merged. Their mean has little noise, and they are recent."""

_BOTH_BY_CHANCE = 0.0015
"""Expected comparisons a week of which both runs are worse by chance, if the weeks before had no noise."""

_HARMLESS = frozenset({"harness"})
"""Causes of a changed fingerprint that change no reply."""


def family_level(comparisons: int) -> float:
    """Return the two-sided level of each of `comparisons`, which share one false alarm a year (Bonferroni)."""
    return 1 / (WEEKS * max(1, comparisons))


def repeat_level(comparisons: int) -> float:
    """Return the two-sided level at which both of two runs must be worse."""
    return min(SIGNIFICANT, 2 * math.sqrt(_BOTH_BY_CHANCE / max(1, comparisons)))


def is_changed(changes: Sequence[Change]) -> bool:
    """Whether a change of the fingerprint can have changed replies."""
    return any(change.what not in _HARMLESS for change in changes)


def merged(runs: Sequence[RunOutcomes]) -> RunOutcomes:
    """Merge runs of a cell into one, as if each case had been repeated. The first run gives everything else.

    Cases that the first run does not have, or that were edited, are left out.
    """
    first, *others = runs
    cases = {
        case_id: _summed([case, *(o.cases[case_id] for o in others if _has(o, case))])
        for case_id, case in first.cases.items()
    }
    return replace(first, cases=cases)


def _has(run: RunOutcomes, case: CaseOutcome) -> bool:
    return case.id in run.cases and run.cases[case.id].digest == case.digest


def _summed(cases: Sequence[CaseOutcome]) -> CaseOutcome:
    judged, strict, lenient, compliant, errors = (
        sum(getattr(case, name) for case in cases) for name in ("judged", "strict", "lenient", "compliant", "errors")
    )
    return replace(
        cases[0], judged=judged, strict=strict, lenient=lenient, compliant=compliant, errors=errors if not judged else 0
    )


def detection(n: int, comparisons: int, drop: float, flips: float, weeks: int = 2) -> float:
    """Return the probability that a lasting drop is an alarm within `weeks`, if the fingerprint shows no change.

    The number of lost cases is binomial. Given that number, each run is worse at `repeat_level` with a probability from
    the normal approximation of its noise. Validated by bench/accuracy/weekly_alarms.py.

    Args:
        n: Cases of the cell.
        comparisons: Cells of the project.
        drop: The share of cases that are now wrong.
        flips: The share of answers that differ between two identical runs.
        weeks: Weeks since the drop.
    """
    from scipy.stats import binom

    normal = NormalDist()
    z = normal.inv_cdf(1 - repeat_level(comparisons) / 2)
    # A share `2 * flips` of the cases is right in every second run: variance 1/4, and 1/16 of the mean of four weeks.
    noise = 2 * flips * n * (1 / 4 + 1 / 4 / HISTORY)
    found = 0.0
    for lost in range(n + 1):
        chance = float(binom.pmf(lost, n, drop))
        if chance > 1e-9:
            excess = lost - z * math.sqrt(lost + noise)
            once = normal.cdf(excess / math.sqrt(noise)) if noise else float(excess > 0)
            found += chance * (1 - (1 - once**2) ** weeks)
    return found
