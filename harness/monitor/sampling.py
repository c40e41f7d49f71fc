"""A stratified sample of logged calls: by task, and within a task by backend and by outcome.

Shares are proportional (largest remainder), but each stratum gets at least `MIN_PER_STRATUM` calls if it has them. So
a label that occurs in 1% of the replies is reviewed every week, at the expense of the largest strata. The estimate
weights every stratum by its share of the traffic (`stats.stratified_rate`). The same calls and seed give the same
sample.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.monitor.weeks import NO_ANSWER
from harness.store.traffic import RoutedCall

MIN_PER_STRATUM = 2
"""Calls drawn from every stratum, or all that it has."""


class SampleStratum(NamedTuple):
    """Calls sampled together. `outcome`: a label, or whether the reply kept the contract."""

    task: str
    backend: str
    outcome: str

    @property
    def seed(self) -> str:
        """Text that seeds the draw. Samples drawn by earlier versions depend on it: never change it."""
        return f"Stratum(task={self.task!r}, backend={self.backend!r}, said={self.outcome!r})"


@dataclass(frozen=True, slots=True)
class SampledCall:
    """One call of the sample. `size`: number of calls in its stratum."""

    item: int
    call: RoutedCall
    stratum: SampleStratum
    size: int


def stratum_of(call: RoutedCall, labels: Collection[str]) -> SampleStratum:
    """Return the stratum of a call. `labels`: the labels of its task, empty if it has no list of labels."""
    if labels:
        outcome = call.value if isinstance(call.value, str) and call.value in labels else NO_ANSWER
    elif call.compliant is None:
        outcome = "no contract"
    else:
        outcome = "as agreed" if call.compliant else "against the contract"
    return SampleStratum(call.task, call.backend, outcome)


def can_be_reviewed(call: RoutedCall) -> bool:
    """Return whether the call was answered and its texts were logged."""
    return not call.error and call.inputs is not None and call.reply is not None


def strata(calls: Iterable[RoutedCall], labels: Mapping[str, Collection[str]]) -> dict[SampleStratum, list[int]]:
    """Return the ids of the calls that can be reviewed, by stratum. Ids only, to save memory."""
    by_stratum: dict[SampleStratum, list[int]] = defaultdict(list)
    for call in calls:
        if call.call_id is not None and can_be_reviewed(call):
            by_stratum[stratum_of(call, labels.get(call.task, ()))].append(call.call_id)
    return {stratum: sorted(ids) for stratum, ids in sorted(by_stratum.items())}


def allocate(sizes: Sequence[int], total: int, minimum: int = MIN_PER_STRATUM) -> list[int]:
    """Return the number of calls to draw from each stratum: `total` in all, at most as many as there are.

    If `total` is too small for `minimum` per stratum, the largest strata come first.
    """
    total = min(total, sum(sizes))
    drawn = [0] * len(sizes)
    by_size = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    for i in by_size:
        drawn[i] = min(minimum, sizes[i], total - sum(drawn))
    while sum(drawn) < total:  # add one call to the stratum that is farthest below its share
        not_exhausted = (i for i in by_size if drawn[i] < sizes[i])
        drawn[max(not_exhausted, key=lambda i: total * sizes[i] / sum(sizes) - drawn[i])] += 1
    return drawn


def choose(by_stratum: Mapping[SampleStratum, Sequence[int]], per_task: int, seed: int) -> dict[int, SampleStratum]:
    """Draw `per_task` calls of each task; return call id -> stratum."""
    by_task: dict[str, list[SampleStratum]] = defaultdict(list)
    for stratum in sorted(by_stratum):
        by_task[stratum.task].append(stratum)
    chosen: dict[int, SampleStratum] = {}
    for strata_of_task in by_task.values():
        sizes = [len(by_stratum[stratum]) for stratum in strata_of_task]
        for stratum, n in zip(strata_of_task, allocate(sizes, per_task), strict=True):
            # One generator per stratum: a new call in one stratum does not change what is drawn from the others.
            generator = random.Random(f"{seed}\n{stratum.seed}")  # noqa: S311  no secret
            chosen |= dict.fromkeys(generator.sample(list(by_stratum[stratum]), n), stratum)
    return chosen


def arrange(
    calls: Iterable[RoutedCall],
    chosen: Mapping[int, SampleStratum],
    by_stratum: Mapping[SampleStratum, Sequence[int]],
    seed: int,
) -> tuple[SampledCall, ...]:
    """Return the sample in review order: by task, shuffled within a task so that strata are not recognisable."""
    sampled = [call for call in calls if call.call_id in chosen]
    generator = random.Random(f"{seed}\norder")  # noqa: S311  no secret
    order = sorted(sampled, key=lambda call: call.call_id or 0)
    generator.shuffle(order)
    order.sort(key=lambda call: call.task)
    return tuple(
        SampledCall(item, call, stratum, len(by_stratum[stratum]))
        for item, call in enumerate(order, 1)
        for stratum in [chosen[call.call_id or 0]]
    )
