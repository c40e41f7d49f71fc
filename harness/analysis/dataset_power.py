"""Statistical power of a golden dataset, and the gates that it is too small to decide. Pure.

A case counts once, however many repeats it has, because repeats are not independent. docs/statistics.md explains the
formulas.
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
"""Shares of cases on which two runs differ, from two runs of one model to two unlike models."""

TWO_MODELS = 0.10
"""Assumed discordance of reference and candidate before they have been compared."""

ONE_MODEL = 0.02
"""Assumed discordance of two runs of the same model."""

MARGINS = (0.05, 0.03, 0.02, 0.01)
"""Margins in the tables of `harness datasets power`."""

SMALL = 30
"""Slices of fewer cases are reported: the interval of their accuracy is about 30 points wide."""

RATES = ("min_accuracy", "min_lenient_accuracy", "min_compliance", "min_macro_f1")
"""Gates on the lower bound of a rate."""


@dataclass(frozen=True, slots=True)
class DetectableEffect:
    """The effects that `n` cases detect with 80% power if two runs differ on a share `discordance` of the cases.

    `margin`: the smallest margin that an equally good candidate is proven to be within. `drop`: the smallest true loss
    that is proven; `None` if none is. Both are shares, rounded up to tenths of a point.
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
    """Compute the detectable effects; raises `ValueError` for `n` = 0."""
    drop = smallest_drop(n, discordance)
    return DetectableEffect(n, discordance, _up(smallest_margin(n, discordance)), None if drop is None else _up(drop))


def provable(n: int) -> float:
    """The highest rate that `n` cases can prove: the lower bound if all of them are right."""
    return rate(n, n).low


def required_n_rate(limit: float) -> int | None:
    """Cases needed to prove a rate of `limit` if all are right; `None` for 1, which no number proves."""
    z2 = NormalDist().inv_cdf(0.975) ** 2
    return None if limit >= 1 else math.ceil(limit * z2 / (1 - limit) - 1e-9)


def small_slices(cases: Iterable[Case]) -> list[tuple[str, str, int]]:
    """List labels and tags with fewer than `SMALL` cases, smallest first: (`label` or `tag`, name, cases)."""
    listed = list(cases)
    labels = Counter(case.expected for case in listed if isinstance(case.expected, str))
    if len(labels) > len(listed) / 2:  # free texts rather than labels: nearly every case has its own
        labels.clear()
    tags = Counter(tag for case in listed for tag in case.tags)
    sizes = [("label", name, n) for name, n in labels.items()] + [("tag", name, n) for name, n in tags.items()]
    return sorted((size for size in sizes if size[2] < SMALL), key=lambda size: (size[2], size))


def undecidable(gates: GateConfig, cases: Iterable[Case]) -> list[UndecidableGate]:
    """List the gates that these cases cannot decide. Under `judge = "point"`, only tags without cases."""
    n_cases, known = 0, Counter[str]()
    for case in cases:
        n_cases += 1
        known.update(set(case.tags))
    by_tag = {tag: known[tag] for tag in gates.tag}
    problems = [
        UndecidableGate(("gates", "tag", tag), GateProblem.NO_TAGGED_CASES, tag=tag, tags=tuple(known))
        for tag, n in by_tag.items()
        if n == 0
    ]
    if gates.judge == "point" or not n_cases:
        return problems
    problems += _too_close(gates, n_cases)
    problems += _too_high(gates, n_cases)
    for tag, n in by_tag.items():
        if n:
            problems += _too_high(gates.tag[tag], n, tag)
    return problems


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
    """Round up to tenths of a point."""
    return min(1.0, math.ceil(round(1000 * share, 6)) / 1000)


def down(share: float) -> float:
    """Round down to tenths of a point, so that the shown limit can be proven."""
    return math.floor(round(1000 * share, 6)) / 1000
