"""What needs no labels, watched on all logged replies: the newest whole week against the weeks before it.

A year has 52 looks, and each look has several tasks with several signals. The chance of any false alarm in a year, if
nothing changes, is to be at most `YEARLY`. It is divided among the 52 looks alike (Bonferroni, so that it does not
matter that neighbouring looks share weeks), and within a look Holm's correction takes care of tasks and signals. The
test itself is `stats.drift`: it knows that weeks differ by themselves. Simulated in bench/accuracy/monitor_power.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from harness.analysis.stats import Rate, holm
from harness.analysis.stats.drift import Direction, WeeklyValue, label_ps, predicted_p, share_p
from harness.analysis.stats.unpaired import counted
from harness.monitor import tallies
from harness.monitor.weeks import Weeks, WeekTally
from harness.store.runs import Store

YEARLY = 0.05
"""The chance of any false alarm in a year of looks, over all tasks and signals together."""

LOOKS = 52
ALARM = YEARLY / LOOKS
"""An adjusted p below it is an alarm."""

REFERENCE = 26
"""So many weeks before the newest are what it is held against."""

FEWEST = 6
"""With fewer weeks before it, how much weeks vary is not known well enough to cry."""

CHANCES: Mapping[str, Direction] = {
    "compliance": "down",
    "refusals": "up",
    "unknown labels": "up",
    "fallbacks": "up",
}
"""Signals that are shares, and which way is worse."""


class SignalStatus(StrEnum):
    """WORSE: shown to have changed for the worse. CHANGED: shown to have changed; whether that is bad, people tell."""

    WORSE = "WORSE"
    CHANGED = "CHANGED"
    STEADY = "STEADY"
    TOO_EARLY = "TOO EARLY"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of one task in the newest week. `p` is of its own test, `adjusted` after Holm over the whole look.

    `before` and `newest` are rates of a share, geometric means in characters of the reply length. `label`: of the label
    distribution, the label that is likeliest to have changed; `before` and `newest` are its share.
    """

    task: str
    name: str
    before: Rate | float
    newest: Rate | float
    p: float
    adjusted: float = 1.0
    standing: SignalStatus = SignalStatus.STEADY
    label: str = ""


@dataclass(frozen=True, slots=True)
class WeeklySignals:
    """One look. `week` and `first` are Mondays, the newest week and the oldest before it; `n_before` by task.

    `silent`: tasks without a call in this week that had some in the week before; all that ever had, where none has any.
    """

    week: date
    first: date
    signals: tuple[Signal, ...]
    n_before: Mapping[str, int]
    calls: Mapping[str, int]
    silent: tuple[str, ...]

    @property
    def alarms(self) -> tuple[Signal, ...]:
        """What has been shown to have changed."""
        return tuple(s for s in self.signals if s.standing in {SignalStatus.WORSE, SignalStatus.CHANGED})


def watch(
    store: Store,
    week: date,
    labels: Mapping[str, Collection[str]],
    *,
    reference: int = REFERENCE,
    since: date = date.min,
) -> WeeklySignals:
    """Look at one week, by its Monday. `labels`: of tasks that have a list; `since`: no week before it counts.

    Raises `StoreError`.
    """
    first = max(week - timedelta(weeks=reference), since)
    return look(tallies.counted(store, first, week, labels), week, labels, reference=reference)


def look(
    found_in: Weeks, week: date, labels: Mapping[str, Collection[str]], *, reference: int = REFERENCE
) -> WeeklySignals:
    """The same of calls that are counted already. Pure."""
    first = week - timedelta(weeks=reference)
    found: list[Signal] = []
    n_before: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for task, mondays in sorted(found_in.items()):
        newest = mondays.get(week, WeekTally())
        before = [tally for day, tally in sorted(mondays.items()) if first <= day < week]
        n_before[task], sizes[task] = len(before), newest.calls
        if newest.calls and before:
            found += _of_task(task, before, newest, labels.get(task, ()))
    dead = not any(sizes.values())
    last = week - timedelta(weeks=1)
    silent = [
        t for t, n in sizes.items() if not n and n_before[t] and (dead or found_in[t].get(last, WeekTally()).calls)
    ]
    return WeeklySignals(week, first, tuple(_judged(found, n_before)), n_before, sizes, tuple(silent))


def _judged(found: Sequence[Signal], n_before: Mapping[str, int]) -> Iterator[Signal]:
    """Holm's correction goes over the signals that can cry at all."""
    ready = [signal for signal in found if n_before[signal.task] >= FEWEST]
    yield from (replace(signal, standing=SignalStatus.TOO_EARLY) for signal in found if n_before[signal.task] < FEWEST)
    for signal, p in zip(ready, holm([signal.p for signal in ready]), strict=True):
        proven = SignalStatus.WORSE if signal.name in CHANCES else SignalStatus.CHANGED
        yield replace(signal, adjusted=p, standing=proven if p < ALARM else SignalStatus.STEADY)


def _of_task(task: str, before: Sequence[WeekTally], newest: WeekTally, labels: Collection[str]) -> Iterator[Signal]:
    for name, direction in CHANCES.items():
        if name == "unknown labels" and not labels:
            continue
        weeks, last = [_share(tally, name) for tally in before], _share(newest, name)
        if last[1] and any(n for _, n in weeks):
            yield Signal(task, name, _pooled(weeks), counted(*last), share_p(weeks, last, direction))
    if labels and newest.said:
        yield _labels(task, before, newest, labels)
    known = [tally for tally in before if tally.lengths]
    if newest.lengths and known:
        yield _length(task, known, newest)


def _share(tally: WeekTally, name: str) -> tuple[int, int]:
    return {
        "compliance": (tally.compliant, tally.read),
        "refusals": (tally.refusals, tally.read),
        "unknown labels": (tally.unknown_labels, tally.read),
        "fallbacks": (tally.fallbacks, tally.calls),
    }[name]


def _pooled(weeks: Sequence[tuple[int, int]]) -> Rate:
    return counted(sum(hits for hits, _ in weeks), sum(n for _, n in weeks))


def _labels(task: str, before: Sequence[WeekTally], newest: WeekTally, labels: Collection[str]) -> Signal:
    tested = label_ps([tally.said for tally in before], newest.said, tuple(labels))
    label, p = tested[0]
    weeks = [(tally.said[label], tally.said.total()) for tally in before]
    last = counted(newest.said[label], newest.said.total())
    return Signal(task, "labels", _pooled(weeks), last, min(1.0, len(tested) * p), label=label)


def _length(task: str, before: Sequence[WeekTally], newest: WeekTally) -> Signal:
    """Of the logarithm, so that one long reply does not weigh as a hundred."""
    n = sum(tally.lengths for tally in (*before, newest))
    within = sum(t.log_length_squared - t.log_length**2 / t.lengths for t in (*before, newest)) / max(1, n)
    variance = max(within, 1e-9)  # replies of all one length: any other length is news
    weeks = [WeeklyValue(t.log_length / t.lengths, variance / t.lengths) for t in before]
    last = WeeklyValue(newest.log_length / newest.lengths, variance / newest.lengths)
    mean = sum(t.log_length for t in before) / sum(t.lengths for t in before)
    return Signal(task, "reply length", math.expm1(mean), math.expm1(last.value), predicted_p(weeks, last))
