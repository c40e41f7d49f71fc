"""ISO weeks, periods, and counting calls."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.monitor import weeks

from .logged import NOW, call


def test_the_newest_whole_week_ended_last_sunday() -> None:
    assert weeks.newest_whole(NOW) == date(2026, 11, 16)
    assert weeks.newest_whole(datetime(2026, 11, 23, 0, 0, tzinfo=UTC)) == date(2026, 11, 16)
    assert weeks.newest_whole(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) == date(2026, 11, 9)


@given(st.dates(date(2000, 1, 3), date(2100, 1, 1)))
def test_parse_is_the_inverse_of_name(day: date) -> None:
    monday = weeks.monday(day)
    assert weeks.parse(weeks.name(monday)) == monday
    assert 0 <= (day - monday).days < 7


@pytest.mark.parametrize("text", ["2026-W54", "2026-48", "0001-W01", "last", ""])
def test_an_invalid_week_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="2026-W48"):
        weeks.parse(text)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("7d", None, ("2026-11-19", "2026-11-26")),
        ("2w", None, ("2026-11-12", "2026-11-26")),
        ("2026-11-16", date(2026, 11, 22), ("2026-11-16", "2026-11-23")),
    ],
)
def test_a_period_consists_of_whole_days(since: str, until: date | None, days: tuple[str, str]) -> None:
    assert tuple(stamp[:10] for stamp in weeks.days(since, until, NOW)) == days


@pytest.mark.parametrize("since", ["7", "0d", "d", "", "yesterday", "2026-11-26", "٣d" * 2, "9" * 5000 + "d"])
def test_an_invalid_period_is_rejected(since: str) -> None:
    with pytest.raises(ConfigError, match="--since"):
        weeks.days(since, None, NOW)


def test_calls_are_counted_by_task_and_week() -> None:
    logged = [
        call("billing", days_ago=3),
        call(None, days_ago=3, violations=("refusal",)),
        call("billing", days_ago=10, fallback="timeout"),
        call("", days_ago=3, error="connection", compliant=None, reply=None, reply_chars=None, value=None),
        call("x", days_ago=3, task="other", compliant=None),
    ]
    counts = weeks.count(logged, {"triage": ("billing", "technical")})
    newest = counts["triage"][date(2026, 11, 16)]
    assert (newest.calls, newest.answered, newest.read, newest.compliant, newest.refusals) == (3, 2, 2, 1, 1)
    assert newest.fallbacks == 1, "a failed call counts as a fallback"
    assert newest.labels == {"billing": 1, weeks.NO_ANSWER: 1}
    assert counts["triage"][date(2026, 11, 9)].fallbacks == 1
    assert counts["other"][date(2026, 11, 16)].read == 0


def test_holding_returns_the_week_with_most_of_the_days() -> None:
    tuesday, monday = "2026-11-24T00:00:00.000+00:00", "2026-12-01T00:00:00.000+00:00"
    assert weeks.name(weeks.holding(tuesday, monday)) == "2026-W48"
