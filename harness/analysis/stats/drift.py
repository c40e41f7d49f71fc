"""Whether the newest week is one of the weeks before: shares and means that waver from week to week by themselves.

Weeks are not alike even where nothing has changed: Monday's outage, a campaign, the end of a quarter. A test that only
knows how calls vary cries at every one of them, once there are many calls. So the weeks before are asked how much weeks
vary, as a meta-analysis asks its studies: the newest must lie outside of what they predict for one more of their kind
(DerSimonian & Laird 1986, Controlled Clin. Trials 7:177; Higgins, Thompson & Spiegelhalter 2009, JRSS A 172:137).
A few weeks do not tell how much weeks vary, which Student's t of so few degrees knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Direction = Literal["up", "down", "both"]
"""Which way a change counts."""

TELLS_NOTHING = 0.1
"""A p value above it is no news, and is not looked into any further."""


class WeeklyValue(NamedTuple):
    """What was measured in one week: a value that is about normal, and the variance that its calls alone give it."""

    value: float
    variance: float


def predicted_p(before: Sequence[WeeklyValue], newest: WeeklyValue, direction: Direction = "both") -> float:
    """How likely one more week like those before lies so far out, or farther: Student's t.

    1 where there are fewer than two weeks before.
    """
    if len(before) < 2:
        return 1.0
    from scipy.special import stdtr

    degrees, between = len(before) - 1, _between(before)
    weights = [1 / (week.variance + between) for week in before]
    mean = math.fsum(w * week.value for w, week in zip(weights, before, strict=True)) / math.fsum(weights)
    spread = math.sqrt(newest.variance + between + 1 / math.fsum(weights))
    away = (newest.value - mean) / spread
    if direction == "both":
        return 2 * float(stdtr(degrees, -abs(away)))
    return float(stdtr(degrees, -away if direction == "up" else away))


def share_p(before: Sequence[tuple[int, int]], newest: tuple[int, int], direction: Direction = "both") -> float:
    """The same for shares, `(hits, n)` of each week: the largest of three p values, so that nothing misleads.

    Fisher's exact test against all weeks before in one holds where hits are few; `predicted_p` holds where calls are
    many and weeks differ, of the arcsines where their calls make weeks differ, of the log-odds where more than that
    does; where these are above `TELLS_NOTHING` they are the answer as it is. Weeks without calls are left out; with
    fewer than two the newest has nothing to differ from.
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
    return predicted if predicted > TELLS_NOTHING else max(predicted, _fisher(hits, n, newest, direction))


def label_ps(
    before: Sequence[dict[str, int]], newest: dict[str, int], labels: Sequence[str] = ()
) -> list[tuple[str, float]]:
    """A distribution, one label against the rest at a time: `(label, p)`, the likeliest to have changed first.

    The first p, times the number of labels (Bonferroni), is the p of the distribution. Unlike a chi-square over all of
    it, this says which label it is, and holds where labels are rare.
    """
    names = list(dict.fromkeys([*labels, *(name for week in (*before, newest) for name in week)]))
    sizes = [sum(week.values()) for week in before]
    size = sum(newest.values())
    found = []
    for name in names:
        weeks = [(week.get(name, 0), n) for week, n in zip(before, sizes, strict=True)]
        found.append((name, share_p(weeks, (newest.get(name, 0), size))))
    return sorted(found, key=lambda one: one[1])


def _between(weeks: Sequence[WeeklyValue]) -> float:
    """The variance between weeks beyond what their calls explain: the moment estimate of DerSimonian & Laird."""
    weights = [1 / week.variance for week in weeks]
    total = math.fsum(weights)
    mean = math.fsum(w * week.value for w, week in zip(weights, weeks, strict=True)) / total
    excess = math.fsum(w * (week.value - mean) ** 2 for w, week in zip(weights, weeks, strict=True)) - len(weeks) + 1
    return max(0.0, excess / (total - math.fsum(w * w for w in weights) / total))


def _arcsine(week: tuple[int, int]) -> WeeklyValue:
    """Anscombe's form (1948), whose variance hardly depends on the share."""
    hits, n = week
    return WeeklyValue(math.asin(math.sqrt((hits + 0.375) / (n + 0.75))), 1 / (4 * n + 2))


def _log_odds(week: tuple[int, int], variance: float | None = None) -> WeeklyValue:
    """The empirical log-odds (Haldane 1956, Anscombe 1956); by themselves they vary as Gart & Zweifel (1967) say."""
    hits, misses = week[0] + 0.5, week[1] - week[0] + 0.5
    return WeeklyValue(math.log(hits / misses), 1 / hits + 1 / misses if variance is None else variance)


def _fisher(hits: int, n: int, newest: tuple[int, int], direction: Direction) -> float:
    from scipy.stats import hypergeom

    population = (n + newest[1], hits + newest[0], newest[1])
    up, down = float(hypergeom.sf(newest[0] - 1, *population)), float(hypergeom.cdf(newest[0], *population))
    return min(1.0, 2 * min(up, down)) if direction == "both" else up if direction == "up" else down
