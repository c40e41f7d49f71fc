"""Tests for drift: does the newest week differ from the weeks before by more than weeks usually vary?

Weeks vary even if nothing has changed: an outage, a campaign, the end of a quarter. A test that only models the
variance of calls raises false alarms at high volume. The variance between weeks is therefore estimated as in a
meta-analysis, and the newest week is compared with the prediction interval for one more week (DerSimonian & Laird 1986,
Controlled Clin. Trials 7:177; Higgins, Thompson & Spiegelhalter 2009, JRSS A 172:137). Student's t accounts for the
few weeks behind that estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Direction = Literal["up", "down", "both"]
"""Direction of the change that the test looks for."""

NOT_SIGNIFICANT = 0.1
"""p value above which `share_p` skips Fisher's exact test."""


class WeeklyValue(NamedTuple):
    """Value of one week, approximately normal, and its variance due to the calls of that week."""

    value: float
    variance: float


def predicted_p(before: Sequence[WeeklyValue], newest: WeeklyValue, direction: Direction = "both") -> float:
    """Return the p value of the newest week under the prediction from the weeks before, by Student's t.

    1 if there are fewer than two weeks before.
    """
    if len(before) < 2:
        return 1.0
    from scipy.special import stdtr

    degrees, between = len(before) - 1, _between(before)
    weights = [1 / (week.variance + between) for week in before]
    mean = math.fsum(w * week.value for w, week in zip(weights, before, strict=True)) / math.fsum(weights)
    spread = math.sqrt(newest.variance + between + 1 / math.fsum(weights))
    deviation = (newest.value - mean) / spread
    if direction == "both":
        return 2 * float(stdtr(degrees, -abs(deviation)))
    return float(stdtr(degrees, -deviation if direction == "up" else deviation))


def share_p(before: Sequence[tuple[int, int]], newest: tuple[int, int], direction: Direction = "both") -> float:
    """Return the p value for shares, `(hits, n)` of each week: the largest of three p values.

    `predicted_p` of the arcsines is valid if weeks differ only by chance. `predicted_p` of the log-odds is valid if
    they differ by more. Fisher's exact test against all earlier weeks together is valid for few hits. It is skipped if
    one of the first two exceeds `NOT_SIGNIFICANT`. Weeks without calls are left out.
    With fewer than two earlier weeks, p is 1.
    """
    known = [week for week in before if week[1]]
    if len(known) < 2 or not newest[1]:
        return 1.0
    hits, n = sum(h for h, _ in known), sum(n for _, n in known)
    share = (hits + 0.5) / (n + 1)
    odds = [_log_odds(week, 1 / (week[1] * share * (1 - share))) for week in known]
    predicted = max(
        predicted_p([_arcsine(week) for week in known], _arcsine(newest), direction),
        predicted_p(odds, _log_odds(newest), direction),
    )
    return predicted if predicted > NOT_SIGNIFICANT else max(predicted, _fisher(hits, n, newest, direction))


def label_ps(
    before: Sequence[dict[str, int]], newest: dict[str, int], labels: Sequence[str] = ()
) -> list[tuple[str, float]]:
    """Test each label of a distribution against the rest: return `(label, p)`, smallest p first.

    The first p times the number of labels (Bonferroni) is the p value of the distribution. Unlike a chi-square test,
    this names the label, and is valid for rare labels.
    """
    names = list(dict.fromkeys([*labels, *(name for week in (*before, newest) for name in week)]))
    sizes = [sum(week.values()) for week in before]
    size = sum(newest.values())
    p_values = []
    for name in names:
        weeks = [(week.get(name, 0), n) for week, n in zip(before, sizes, strict=True)]
        p_values.append((name, share_p(weeks, (newest.get(name, 0), size))))
    return sorted(p_values, key=lambda item: item[1])


def _between(weeks: Sequence[WeeklyValue]) -> float:
    """Variance between weeks beyond that of their calls: the moment estimate of DerSimonian & Laird (1986)."""
    weights = [1 / week.variance for week in weeks]
    total = math.fsum(weights)
    mean = math.fsum(w * week.value for w, week in zip(weights, weeks, strict=True)) / total
    excess = math.fsum(w * (week.value - mean) ** 2 for w, week in zip(weights, weeks, strict=True)) - len(weeks) + 1
    return max(0.0, excess / (total - math.fsum(w * w for w in weights) / total))


def _arcsine(week: tuple[int, int]) -> WeeklyValue:
    """Arcsine transform of Anscombe (1948). Its variance is almost independent of the share."""
    hits, n = week
    return WeeklyValue(math.asin(math.sqrt((hits + 0.375) / (n + 0.75))), 1 / (4 * n + 2))


def _log_odds(week: tuple[int, int], variance: float | None = None) -> WeeklyValue:
    """Empirical log-odds (Haldane 1956, Anscombe 1956). The default variance is by Gart & Zweifel (1967)."""
    hits, misses = week[0] + 0.5, week[1] - week[0] + 0.5
    return WeeklyValue(math.log(hits / misses), 1 / hits + 1 / misses if variance is None else variance)


def _fisher(hits: int, n: int, newest: tuple[int, int], direction: Direction) -> float:
    from scipy.stats import hypergeom

    population = (n + newest[1], hits + newest[0], newest[1])
    up, down = float(hypergeom.sf(newest[0] - 1, *population)), float(hypergeom.cdf(newest[0], *population))
    return min(1.0, 2 * min(up, down)) if direction == "both" else up if direction == "up" else down
