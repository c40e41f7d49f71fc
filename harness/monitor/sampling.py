"""A stratified sample of logged calls: by task, and within a task by backend and by what was said.

Shares are proportional (largest remainder), but of each stratum at least `LEAST` calls are drawn where it has them: a
label said once in a hundred replies is looked at every week. What must be given up for that is taken from the largest.
The estimate gives every stratum the weight that it has in the traffic (`stats.stratified_rate`). The same calls and the
same seed give the same sample.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.monitor.weeks import NO_ANSWER
from harness.store.traffic import RoutedCall

LEAST = 2
"""So many calls of a stratum are drawn, or all that it has."""


class SampleStratum(NamedTuple):
    """Calls that are drawn from together. `said`: a label, or whether the reply was as agreed."""

    task: str
    backend: str
    said: str


@dataclass(frozen=True, slots=True)
class SampledCall:
    """One call of the sample. `size` of its stratum: the calls that it stands for, and that were drawn from."""

    item: int
    call: RoutedCall
    stratum: SampleStratum
    size: int


def stratum_of(call: RoutedCall, labels: Collection[str]) -> SampleStratum:
    """Where a call belongs; `labels` are those of its task, if it has a list of them."""
    if labels:
        said = call.value if isinstance(call.value, str) and call.value in labels else NO_ANSWER
    elif call.compliant is None:
        said = "no contract"
    else:
        said = "as agreed" if call.compliant else "against the contract"
    return SampleStratum(call.task, call.backend, said)


def can_be_reviewed(call: RoutedCall) -> bool:
    """Whether it was answered, and what was asked and said was logged."""
    return not call.error and call.inputs is not None and call.reply is not None


def strata(calls: Iterable[RoutedCall], labels: Mapping[str, Collection[str]]) -> dict[SampleStratum, list[int]]:
    """The ids of the calls that can be reviewed, by stratum. Ids only: a week of texts does not fit everywhere."""
    found: dict[SampleStratum, list[int]] = defaultdict(list)
    for call in calls:
        if call.call_id is not None and can_be_reviewed(call):
            found[stratum_of(call, labels.get(call.task, ()))].append(call.call_id)
    return {stratum: sorted(ids) for stratum, ids in sorted(found.items())}


def allocate(sizes: Sequence[int], wanted: int, least: int = LEAST) -> list[int]:
    """How many to draw of strata of these sizes: `wanted` in all, or all there are.

    Where there are more strata than can have `least` each, the largest come first.
    """
    wanted = min(wanted, sum(sizes))
    given = [0] * len(sizes)
    by_size = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    for i in by_size:
        given[i] = min(least, sizes[i], wanted - sum(given))
    while sum(given) < wanted:  # one at a time, to the stratum that is farthest below its share
        open_ones = (i for i in by_size if given[i] < sizes[i])
        given[max(open_ones, key=lambda i: wanted * sizes[i] / sum(sizes) - given[i])] += 1
    return given


def choose(found: Mapping[SampleStratum, Sequence[int]], per_task: int, seed: int) -> dict[int, SampleStratum]:
    """The ids that are drawn, with their strata."""
    by_task: dict[str, list[SampleStratum]] = defaultdict(list)
    for stratum in sorted(found):
        by_task[stratum.task].append(stratum)
    chosen: dict[int, SampleStratum] = {}
    for theirs in by_task.values():
        for stratum, n in zip(theirs, allocate([len(found[s]) for s in theirs], per_task), strict=True):
            # By the stratum's name, so that a call more in one does not change what is drawn from the others.
            drawn = random.Random(f"{seed}\n{stratum}").sample(list(found[stratum]), n)  # noqa: S311  no secret
            chosen |= dict.fromkeys(drawn, stratum)
    return chosen


def arrange(
    calls: Iterable[RoutedCall],
    chosen: Mapping[int, SampleStratum],
    found: Mapping[SampleStratum, Sequence[int]],
    seed: int,
) -> tuple[SampledCall, ...]:
    """The sample in the order in which it is reviewed: task by task, else mixed, so that no stratum is seen as one."""
    kept = [call for call in calls if call.call_id in chosen]
    mixed = random.Random(f"{seed}\norder")  # noqa: S311  no secret
    order = sorted(kept, key=lambda call: call.call_id or 0)
    mixed.shuffle(order)
    order.sort(key=lambda call: call.task)
    return tuple(
        SampledCall(item, call, stratum, len(found[stratum]))
        for item, call in enumerate(order, 1)
        for stratum in [chosen[call.call_id or 0]]
    )
