"""Slices: the cases of one label or tag. A good average can hide that one of them collapsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.analysis.compare.paired_rates import Difference, Pairs, count_of, difference_of, paired_of
from harness.analysis.compare.sides import CaseOutcome
from harness.analysis.compare.verdicts import SIGNIFICANT, ComparisonQuestion, LegName
from harness.analysis.stats import Paired, holm

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

    `paired`: with an interval that is adjusted for the number of slices and legs (Holm).
    `beyond_limit`: proven to exceed the limit. Otherwise only the loss is proven.
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

    Holm's step-down method (1979) on the intervals: the confidence falls with each loss that is proven, until no other
    is proven.
    """
    own: dict[SliceKind, float] = {"label": question.max_label_loss, "tag": question.max_tag_loss}
    limits = {kind: max(limit, question.margin) for kind, limit in own.items()}  # all cases may lose the margin
    tests: list[_SliceTest] = [
        _SliceTest(kind, name, leg, limits[kind], _interval(cases, leg, anytime=question.anytime))
        for (kind, name), cases in _by_slice(pairs)
        for leg in question.legs
    ]
    candidates = [test for test in tests if test.at(1 - SIGNIFICANT).delta < -test.limit]
    proven: list[SliceLoss] = []
    while True:
        confidence = 1 - question.level / max(1, len(tests) - len(proven))
        found = [test.loss(confidence) for test in candidates if test.at(confidence).high < -test.limit]
        if not found:
            break
        proven += found
        candidates = [test for test in candidates if test.at(confidence).high >= -test.limit]
    likely = [test.loss(confidence) for test in candidates if test.at(confidence).high < 0]
    return (*sorted(proven, key=_observed), *sorted(likely, key=_observed))


@dataclass(frozen=True, slots=True)
class _SliceTest:
    kind: SliceKind
    name: str
    leg: LegName
    limit: float
    at: Callable[[float], Paired]
    """The difference with an interval of the given confidence."""

    def loss(self, confidence: float) -> SliceLoss:
        paired = self.at(confidence)
        return SliceLoss(self.kind, self.name, self.leg, self.limit, paired, paired.high < -self.limit)


def _interval(cases: Pairs, leg: LegName, *, anytime: bool) -> Callable[[float], Paired]:
    return lambda confidence: paired_of(cases, count_of(leg), confidence, anytime=anytime)


def _observed(loss: SliceLoss) -> float:
    return loss.paired.delta


def _by_slice(pairs: Pairs) -> Iterator[tuple[tuple[SliceKind, str], Pairs]]:
    named: dict[tuple[SliceKind, str], list[tuple[CaseOutcome, CaseOutcome]]] = {}
    for pair in pairs:
        keys: list[tuple[SliceKind, str]] = [("tag", tag) for tag in pair[0].tags]
        if pair[0].expected:
            keys.append(("label", pair[0].expected))
        for key in keys:
            named.setdefault(key, []).append(pair)
    yield from sorted(named.items())
