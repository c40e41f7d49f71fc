"""The newest week against the weeks before it."""

from __future__ import annotations

from datetime import date

import pytest

from harness.monitor import signals, weeks
from harness.monitor.signals import SignalStatus, WeeklySignals
from harness.store.traffic import RoutedCall

from ..support.project import LABELS
from .logged import call
from .logged import weeks as logged

W47 = date(2026, 11, 16)


def look(calls: list[RoutedCall], **more: int) -> WeeklySignals:
    return signals.look(weeks.count(calls, {"triage": LABELS}), W47, {"triage": LABELS}, **more)


def standings(watch: WeeklySignals) -> dict[str, SignalStatus]:
    return {signal.name: signal.standing for signal in watch.signals}


def test_weeks_alike_are_steady() -> None:
    watch = look(logged(9, 200))
    assert set(standings(watch).values()) == {SignalStatus.STEADY}
    assert list(standings(watch)) == ["compliance", "refusals", "unknown labels", "fallbacks", "labels", "reply length"]
    assert watch.n_before == {"triage": 8}


def test_a_break_in_the_contract_is_worse_and_nothing_else_is_blamed() -> None:
    watch = look(logged(9, 300, broken=[0.25]))
    told = standings(watch)
    assert told["compliance"] is SignalStatus.WORSE
    assert told["refusals"] is told["fallbacks"] is SignalStatus.STEADY
    (labels,) = [s for s in watch.signals if s.name == "labels"]
    assert labels.label == weeks.NO_ANSWER, "the labels changed, too: there are fewer of them"


def test_getting_better_is_no_alarm() -> None:
    told = standings(look(logged(9, 300, broken=[0.25] * 8 + [0.0])))
    assert told["compliance"] is SignalStatus.STEADY


def test_longer_replies_are_a_change_and_not_worse() -> None:
    calls = logged(9, 200)
    longer = [call("billing", days_ago=4, reply_chars=400) for _ in range(200)]
    watch = look([c for c in calls if c.called_at < weeks.stamp(W47)] + longer)
    assert standings(watch)["reply length"] is SignalStatus.CHANGED


def test_the_first_weeks_are_too_early() -> None:
    watch = look(logged(signals.FEWEST, 300, broken=[0.5]))
    assert set(standings(watch).values()) == {SignalStatus.TOO_EARLY}
    assert not watch.alarms
    assert look(logged(signals.FEWEST + 1, 300, broken=[0.5])).alarms


def test_the_reference_ends_where_it_is_told() -> None:
    calls = logged(9, 100)
    assert look(calls, reference=5).n_before == {"triage": 5}


def test_a_task_without_calls_in_the_week_has_no_signals() -> None:
    calls = [c for c in logged(9, 50) if c.called_at < weeks.stamp(W47)]
    watch = look(calls)
    assert watch.signals == ()
    assert watch.calls == {"triage": 0}


def test_calls_without_a_contract_are_watched_for_length_and_fallbacks() -> None:
    calls = [call("x", days_ago=2.5 + 7 * w + d, task="own", compliant=None) for w in range(6) for d in (1, 2, 3)]
    assert [s.name for s in look(calls).signals] == ["fallbacks", "reply length"]


def test_replies_of_one_length_throughout_do_not_divide_by_nothing() -> None:
    calls = [call("billing", days_ago=2.5 + 7 * w + d) for w in range(6) for d in (1, 2, 3)]
    (length,) = [s for s in look(calls).signals if s.name == "reply length"]
    assert length.p == pytest.approx(1.0)


def test_more_signals_ask_for_more_proof() -> None:
    """Holm: the p of a look is never below the p of the signal alone."""
    watch = look(logged(9, 150, broken=[0.08]))
    assert all(signal.adjusted >= signal.p for signal in watch.signals)
