"""Slices: the cases of one label or tag. A good average can hide that one of them collapsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.analysis.compare.paired_rates import Difference, Pairs, count_of, difference_of, paired_of
from harness.analysis.compare.sides import CaseOutcome
from harness.analysis.compare.verdicts import SIGNIFICANT, ComparisonQuestion, LegName
from harness.analysis.stats import Paired, holm
from harness.analysis.stats.exact_noninferiority import is_loss_beyond

SliceKind = Literal["tag", "label"]


@dataclass(frozen=True, slots=True)
class Slice:
    """The difference among the cases of one tag or label. `p` is of `strict`, adjusted for the slices (Holm)."""

    kind: SliceKind
    name: str
    strict: Difference
    lenient: Difference
    p: float


@dataclass(frozen=True, slots=True)
class SliceLoss:
    """A slice whose observed loss exceeds its limit, on a leg that counts.

    `beyond_limit`: proven to exceed the limit, at a level that is adjusted for the number of slices and legs (Holm).
    Otherwise only the loss is proven, at that level.
    """

    kind: SliceKind
    name: str
    leg: LegName
    limit: float
    paired: Paired
    beyond_limit: bool


def slices_of(pairs: Pairs, confidence: float = 0.95, *, anytime: bool = False) -> tuple[Slice, ...]:
    """Compare the cases of each tag and label, sorted by kind and name. `anytime`: see `ComparisonQuestion`."""
    differences = [
        (
            key,
            difference_of(cases, count_of("strict"), confidence, anytime=anytime),
            difference_of(cases, count_of("lenient"), confidence, anytime=anytime),
        )
        for key, cases in _by_slice(pairs)
    ]
    adjusted = holm([strict.paired.p for _, strict, _ in differences])
    return tuple(
        Slice(*key, strict, lenient, p) for (key, strict, lenient), p in zip(differences, adjusted, strict=True)
    )


def slice_losses(pairs: Pairs, question: ComparisonQuestion) -> tuple[SliceLoss, ...]:
    """List the slices with a proven loss beyond their limit, or with a proven loss that may be beyond; worst first.

    Holm's step-down method (1979): the level rises with each loss that is proven, until no other is proven.
    """
    own: dict[SliceKind, float] = {"label": question.max_label_loss, "tag": question.max_tag_loss}
    limits = {kind: max(limit, question.margin) for kind, limit in own.items()}  # all cases may lose the margin
    tests: list[_SliceTest] = [
        _SliceTest(kind, name, leg, limits[kind], at, at(1 - SIGNIFICANT))
        for (kind, name), cases in _by_slice(pairs)
        for leg in question.legs
        for at in [_interval(cases, leg, anytime=question.anytime)]
    ]
    candidates = [test for test in tests if test.shown.delta < -test.limit]
    proven: list[_SliceTest] = []
    while True:
        level = question.level / max(1, len(tests) - len(proven))
        found = [test for test in candidates if is_loss_beyond(test.at(1 - level), test.limit, level)]
        if not found:
            break
        proven += found
        candidates = [test for test in candidates if test not in found]
    likely = [test for test in candidates if test.shown.p < level]
    return (
        *(test.loss(beyond_limit=True) for test in sorted(proven, key=_observed)),
        *(test.loss(beyond_limit=False) for test in sorted(likely, key=_observed)),
    )


@dataclass(frozen=True, slots=True)
class _SliceTest:
    kind: SliceKind
    name: str
    leg: LegName
    limit: float
    at: Callable[[float], Paired]
    """The difference with an interval of the given confidence."""
    shown: Paired

    def loss(self, *, beyond_limit: bool) -> SliceLoss:
        return SliceLoss(self.kind, self.name, self.leg, self.limit, self.shown, beyond_limit)


def _interval(cases: Pairs, leg: LegName, *, anytime: bool) -> Callable[[float], Paired]:
    return lambda confidence: paired_of(cases, count_of(leg), confidence, anytime=anytime)


def _observed(test: _SliceTest) -> float:
    return test.shown.delta


def _by_slice(pairs: Pairs) -> Iterator[tuple[tuple[SliceKind, str], Pairs]]:
    named: dict[tuple[SliceKind, str], list[tuple[CaseOutcome, CaseOutcome]]] = {}
    for pair in pairs:
        keys: list[tuple[SliceKind, str]] = [("tag", tag) for tag in pair[0].tags]
        if pair[0].expected:
            keys.append(("label", pair[0].expected))
        for key in keys:
            named.setdefault(key, []).append(pair)
    yield from sorted(named.items())
