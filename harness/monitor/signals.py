"""Signals that need no labels, from all logged replies: the newest whole week compared with the weeks before.

A year has 52 weekly looks, and each look tests several signals of several tasks. If nothing changes, the probability of
any false alarm in a year is at most `YEARLY_ALPHA`. It is split evenly over the 52 looks (Bonferroni, which holds
although neighbouring looks share weeks). Within a look, Holm's correction covers tasks and signals. The test,
`stats.drift`, allows for variation between weeks. Simulated in bench/accuracy/monitor_power.py.
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
from harness.monitor import weekly_counts
from harness.monitor.weeks import Weeks, WeekTally
from harness.store.runs import Store

YEARLY_ALPHA = 0.05
"""Probability of any false alarm in a year, over all tasks and signals."""

LOOKS_PER_YEAR = 52
ALARM_P = YEARLY_ALPHA / LOOKS_PER_YEAR
"""An adjusted p below this is an alarm."""

REFERENCE_WEEKS = 26
"""Number of weeks that the newest week is compared with."""

MIN_WEEKS = 6
"""With fewer earlier weeks, the variation between weeks is too uncertain for an alarm."""

SHARES: Mapping[str, Direction] = {
    "compliance": "down",
    "refusals": "up",
    "unknown labels": "up",
    "fallbacks": "up",
}
"""Signals that are shares, and the direction that is worse."""


class SignalStatus(StrEnum):
    """Status of a signal. WORSE: significantly worse. CHANGED: significantly different; people judge whether worse."""

    WORSE = "WORSE"
    CHANGED = "CHANGED"
    STEADY = "STEADY"
    TOO_EARLY = "TOO EARLY"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of one task in the newest week.

    Attributes:
        task: The task.
        name: A key of `SHARES`, `labels` or `reply length`.
        before: The earlier weeks: a rate, or the geometric mean of the reply length in characters.
        newest: The newest week, likewise.
        p: p of the signal's own test.
        adjusted: p after Holm's correction over the whole look.
        status: What the test shows.
        label: For `labels`, the label with the smallest p; `before` and `newest` are its share.

    """

    task: str
    name: str
    before: Rate | float
    newest: Rate | float
    p: float
    adjusted: float = 1.0
    status: SignalStatus = SignalStatus.STEADY
    label: str = ""


@dataclass(frozen=True, slots=True)
class WeeklySignals:
    """The signals of one week.

    Attributes:
        week: Monday of the newest week.
        first: Monday of the oldest week in the comparison.
        signals: All signals.
        n_before: Task -> number of earlier weeks with calls.
        calls: Task -> number of calls in the week.
        silent: Tasks without calls that had calls the week before; if no task has calls, all tasks with earlier calls.

    """

    week: date
    first: date
    signals: tuple[Signal, ...]
    n_before: Mapping[str, int]
    calls: Mapping[str, int]
    silent: tuple[str, ...]

    @property
    def alarms(self) -> tuple[Signal, ...]:
        """The signals that changed significantly."""
        return tuple(s for s in self.signals if s.status in {SignalStatus.WORSE, SignalStatus.CHANGED})


def read_signals(
    store: Store,
    week: date,
    labels: Mapping[str, Collection[str]],
    *,
    reference: int = REFERENCE_WEEKS,
    since: date = date.min,
) -> WeeklySignals:
    """Compute the signals of one week from the store; raises `StoreError`.

    Args:
        store: The store with the traffic log.
        week: Monday of the week.
        labels: Task -> labels, for tasks with a list of labels.
        reference: Number of weeks to compare with.
        since: Monday of the first week to use.

    """
    first = max(week - timedelta(weeks=reference), since)
    return compute_signals(weekly_counts.counted(store, first, week, labels), week, labels, reference=reference)


def compute_signals(
    counted_weeks: Weeks, week: date, labels: Mapping[str, Collection[str]], *, reference: int = REFERENCE_WEEKS
) -> WeeklySignals:
    """Compute the signals of one week from counted calls. Pure."""
    first = week - timedelta(weeks=reference)
    signals: list[Signal] = []
    n_before: dict[str, int] = {}
    calls: dict[str, int] = {}
    for task, mondays in sorted(counted_weeks.items()):
        newest = mondays.get(week, WeekTally())
        before = [tally for day, tally in sorted(mondays.items()) if first <= day < week]
        n_before[task], calls[task] = len(before), newest.calls
        if newest.calls and before:
            signals += _signals_of_task(task, before, newest, labels.get(task, ()))
    no_calls = not any(calls.values())
    last_week = week - timedelta(weeks=1)
    silent = [
        task
        for task, n in calls.items()
        if not n and n_before[task] and (no_calls or counted_weeks[task].get(last_week, WeekTally()).calls)
    ]
    return WeeklySignals(week, first, tuple(_with_status(signals, n_before)), n_before, calls, tuple(silent))


def _with_status(signals: Sequence[Signal], n_before: Mapping[str, int]) -> Iterator[Signal]:
    """Apply Holm's correction to the signals with enough earlier weeks, and set each status."""
    ready = [signal for signal in signals if n_before[signal.task] >= MIN_WEEKS]
    early = [signal for signal in signals if n_before[signal.task] < MIN_WEEKS]
    yield from (replace(signal, status=SignalStatus.TOO_EARLY) for signal in early)
    for signal, p in zip(ready, holm([signal.p for signal in ready]), strict=True):
        changed = SignalStatus.WORSE if signal.name in SHARES else SignalStatus.CHANGED
        yield replace(signal, adjusted=p, status=changed if p < ALARM_P else SignalStatus.STEADY)


def _signals_of_task(
    task: str, before: Sequence[WeekTally], newest: WeekTally, labels: Collection[str]
) -> Iterator[Signal]:
    for name, direction in SHARES.items():
        if name == "unknown labels" and not labels:
            continue
        weeks, last = [_share(tally, name) for tally in before], _share(newest, name)
        if last[1] and any(n for _, n in weeks):
            yield Signal(task, name, _pooled(weeks), counted(*last), share_p(weeks, last, direction))
    if labels and newest.labels:
        yield _label_signal(task, before, newest, labels)
    with_lengths = [tally for tally in before if tally.lengths]
    if newest.lengths and with_lengths:
        yield _length_signal(task, with_lengths, newest)


def _share(tally: WeekTally, name: str) -> tuple[int, int]:
    return {
        "compliance": (tally.compliant, tally.read),
        "refusals": (tally.refusals, tally.read),
        "unknown labels": (tally.unknown_labels, tally.read),
        "fallbacks": (tally.fallbacks, tally.calls),
    }[name]


def _pooled(weeks: Sequence[tuple[int, int]]) -> Rate:
    return counted(sum(hits for hits, _ in weeks), sum(n for _, n in weeks))


def _label_signal(task: str, before: Sequence[WeekTally], newest: WeekTally, labels: Collection[str]) -> Signal:
    tested = label_ps([tally.labels for tally in before], newest.labels, tuple(labels))
    label, p = tested[0]
    weeks = [(tally.labels[label], tally.labels.total()) for tally in before]
    last = counted(newest.labels[label], newest.labels.total())
    return Signal(task, "labels", _pooled(weeks), last, min(1.0, len(tested) * p), label=label)


def _length_signal(task: str, before: Sequence[WeekTally], newest: WeekTally) -> Signal:
    """Compare logarithms, so that one long reply does not dominate the mean."""
    n = sum(tally.lengths for tally in (*before, newest))
    within = sum(t.log_length_squared - t.log_length**2 / t.lengths for t in (*before, newest)) / max(1, n)
    variance = max(within, 1e-9)  # if all replies have one length, any other length is a change
    weeks = [WeeklyValue(t.log_length / t.lengths, variance / t.lengths) for t in before]
    last = WeeklyValue(newest.log_length / newest.lengths, variance / newest.lengths)
    mean = sum(t.log_length for t in before) / sum(t.lengths for t in before)
    return Signal(task, "reply length", math.expm1(mean), math.expm1(last.value), predicted_p(weeks, last))
