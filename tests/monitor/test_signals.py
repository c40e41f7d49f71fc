"""Signals of the newest week compared with the weeks before."""

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


def compute(calls: list[RoutedCall], **more: int) -> WeeklySignals:
    return signals.compute_signals(weeks.count(calls, {"triage": LABELS}), W47, {"triage": LABELS}, **more)


def statuses(weekly: WeeklySignals) -> dict[str, SignalStatus]:
    return {signal.name: signal.status for signal in weekly.signals}


def test_similar_weeks_are_steady() -> None:
    weekly = compute(logged(9, 200))
    assert set(statuses(weekly).values()) == {SignalStatus.STEADY}
    assert list(statuses(weekly)) == ["compliance", "refusals", "unknown labels", "fallbacks", "labels", "reply length"]
    assert weekly.n_before == {"triage": 8}


def test_lower_compliance_is_worse_and_other_shares_steady() -> None:
    weekly = compute(logged(9, 300, broken=[0.25]))
    by_name = statuses(weekly)
    assert by_name["compliance"] is SignalStatus.WORSE
    assert by_name["refusals"] is by_name["fallbacks"] is SignalStatus.STEADY
    (labels,) = [s for s in weekly.signals if s.name == "labels"]
    assert labels.label == weeks.NO_ANSWER, "fewer replies have a label, so `labels` changes too"


def test_an_improvement_is_not_an_alarm() -> None:
    by_name = statuses(compute(logged(9, 300, broken=[0.25] * 8 + [0.0])))
    assert by_name["compliance"] is SignalStatus.STEADY


def test_longer_replies_are_changed_not_worse() -> None:
    calls = logged(9, 200)
    longer = [call("billing", days_ago=4, reply_chars=400) for _ in range(200)]
    weekly = compute([c for c in calls if c.called_at < weeks.stamp(W47)] + longer)
    assert statuses(weekly)["reply length"] is SignalStatus.CHANGED


def test_fewer_than_min_weeks_are_too_early() -> None:
    weekly = compute(logged(signals.MIN_WEEKS, 300, broken=[0.5]))
    assert set(statuses(weekly).values()) == {SignalStatus.TOO_EARLY}
    assert not weekly.alarms
    assert compute(logged(signals.MIN_WEEKS + 1, 300, broken=[0.5])).alarms


def test_reference_limits_the_number_of_earlier_weeks() -> None:
    calls = logged(9, 100)
    assert compute(calls, reference=5).n_before == {"triage": 5}


def test_a_task_without_calls_in_the_week_has_no_signals() -> None:
    calls = [c for c in logged(9, 50) if c.called_at < weeks.stamp(W47)]
    weekly = compute(calls)
    assert weekly.signals == ()
    assert weekly.calls == {"triage": 0}


def test_without_a_contract_only_length_and_fallbacks_count() -> None:
    calls = [call("x", days_ago=2.5 + 7 * w + d, task="own", compliant=None) for w in range(6) for d in (1, 2, 3)]
    assert [s.name for s in compute(calls).signals] == ["fallbacks", "reply length"]


def test_replies_of_a_single_length_have_p_of_one() -> None:
    calls = [call("billing", days_ago=2.5 + 7 * w + d) for w in range(6) for d in (1, 2, 3)]
    (length,) = [s for s in compute(calls).signals if s.name == "reply length"]
    assert length.p == pytest.approx(1.0)


def test_adjusted_p_is_never_below_the_signals_own_p() -> None:
    weekly = compute(logged(9, 150, broken=[0.08]))
    assert all(signal.adjusted >= signal.p for signal in weekly.signals)
