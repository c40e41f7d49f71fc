"""What a golden set of so many cases can show, and which gates of an eval ask for more than that. Pure.

Each case counts once, however often it is asked: five answers to one case may be one answer five times. How the
numbers come about is in docs/statistics.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from harness.analysis.stats import rate, required_n_margin, smallest_drop, smallest_margin
from harness.core.types import Case
from harness.project.evals import GateConfig, TagGates

DISCORDANCES = (0.02, 0.05, 0.10, 0.20, 0.40)
"""Shares of cases on which two runs may differ, from the same model asked again to two unlike models."""

TWO_MODELS = 0.10
"""The discordance that is assumed of a reference and a candidate before they have been compared."""

ONE_MODEL = 0.02
"""The discordance that is assumed of a model and the same model later."""

MARGINS = (0.05, 0.03, 0.02, 0.01)
"""Margins that people ask for."""

SMALL = 30
"""A slice of fewer cases shows nothing: the interval of an accuracy is some thirty points wide."""

RATES = ("min_accuracy", "min_lenient_accuracy", "min_compliance", "min_macro_f1")
"""Gates that a rate must reach by the lower end of its interval."""


@dataclass(frozen=True, slots=True)
class DetectableEffect:
    """What `n` cases show with a chance of 80% where two runs differ on a share `discordance` of them.

    `margin`: the smallest within which a candidate that is as good is shown to be. `drop`: the smallest true loss that
    is shown to be one, `None` where not even a loss of everything would be. Both are shares, rounded up to tenths of a
    point.
    """

    n: int
    discordance: float
    margin: float
    drop: float | None


class GateProblem(StrEnum):
    """Why a golden set cannot decide a gate."""

    NO_TAGGED_CASES = "no_tagged_cases"
    MARGIN_TOO_SMALL = "margin_too_small"
    RATE_TOO_HIGH = "rate_too_high"


@dataclass(frozen=True, slots=True)
class UndecidableGate:
    """A gate that the golden set cannot decide. `key`: its place in the eval file.

    `n`: the cases it covers, of `tag` if that is set. `needed`: how many would do; `None` if no number does.
    `reachable`: the smallest margin, or the largest rate, that `n` cases can prove.
    `tags`: the tags that cases have, for NO_TAGGED_CASES.
    """

    key: tuple[str, ...]
    problem: GateProblem
    limit: float = 0.0
    n: int = 0
    needed: int | None = None
    reachable: float = 0.0
    discordance: float = 0.0
    tag: str = ""
    tags: tuple[str, ...] = ()


def reach(n: int, discordance: float) -> DetectableEffect:
    """What `n` cases can show; raises `ValueError` for none."""
    drop = smallest_drop(n, discordance)
    return DetectableEffect(n, discordance, _up(smallest_margin(n, discordance)), None if drop is None else _up(drop))


def provable(n: int) -> float:
    """The highest rate that `n` cases can prove, all of them being right: the lower end of that interval."""
    return rate(n, n).low


def required_n_rate(limit: float) -> int | None:
    """How many cases prove a rate of `limit` if all of them are right; `None` for 1, which no number proves."""
    z2 = NormalDist().inv_cdf(0.975) ** 2
    return None if limit >= 1 else math.ceil(limit * z2 / (1 - limit) - 1e-9)


def small_slices(cases: Iterable[Case]) -> list[tuple[str, str, int]]:
    """Labels and tags with fewer than `SMALL` cases, smallest first: (`label` or `tag`, its name, cases)."""
    found = list(cases)
    labels = Counter(case.expected for case in found if isinstance(case.expected, str))
    if len(labels) > len(found) / 2:  # texts, not labels: nearly every case has its own
        labels.clear()
    tags = Counter(tag for case in found for tag in case.tags)
    sizes = [("label", name, n) for name, n in labels.items()] + [("tag", name, n) for name, n in tags.items()]
    return sorted((size for size in sizes if size[2] < SMALL), key=lambda size: (size[2], size))


def refusals(gates: GateConfig, cases: Iterable[Case]) -> list[UndecidableGate]:
    """The gates that `cases`, a whole split, cannot show. Under `judge = "point"` only tags that no case has."""
    n_cases, known = 0, Counter[str]()
    for case in cases:
        n_cases += 1
        known.update(set(case.tags))
    by_tag = {tag: known[tag] for tag in gates.tag}
    found = [
        UndecidableGate(("gates", "tag", tag), GateProblem.NO_TAGGED_CASES, tag=tag, tags=tuple(known))
        for tag, n in by_tag.items()
        if n == 0
    ]
    if gates.judge == "point" or not n_cases:
        return found
    found += _too_close(gates, n_cases)
    found += _too_high(gates, n_cases)
    for tag, n in by_tag.items():
        if n:
            found += _too_high(gates.tag[tag], n, tag)
    return found


def _too_close(gates: GateConfig, n: int) -> Iterator[UndecidableGate]:
    for gate, discordance in (("margin", TWO_MODELS), ("max_regression", ONE_MODEL)):
        limit = gates.limits.get(gate)
        if limit is None or (needed := required_n_margin(limit, discordance)) <= n:
            continue
        yield UndecidableGate(
            ("gates", gate),
            GateProblem.MARGIN_TOO_SMALL,
            limit=limit,
            n=n,
            needed=needed,
            reachable=reach(n, discordance).margin,
            discordance=discordance,
        )


def _too_high(gates: TagGates, n: int, tag: str = "") -> Iterator[UndecidableGate]:
    for gate in RATES:
        limit = gates.limits.get(gate)
        if limit is None or provable(n) >= limit:
            continue
        yield UndecidableGate(
            ("gates", "tag", tag, gate) if tag else ("gates", gate),
            GateProblem.RATE_TOO_HIGH,
            limit=limit,
            n=n,
            needed=required_n_rate(limit),
            reachable=down(provable(n)),
            tag=tag,
        )


def _up(share: float) -> float:
    """Rounded to tenths of a point that are not below."""
    return min(1.0, math.ceil(round(1000 * share, 6)) / 1000)


def down(share: float) -> float:
    """Rounded to tenths of a point that are not above: what can be shown, told so that it can be taken at its word."""
    return math.floor(round(1000 * share, 6)) / 1000
