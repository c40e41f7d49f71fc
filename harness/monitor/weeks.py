"""Logged calls, counted by task and ISO week (Monday to Sunday, UTC). Calls are many, counts are few."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from harness.core.errors import ConfigError
from harness.store.traffic import RoutedCall

NO_ANSWER = "no clear answer"
"""Counted as a label of its own: a reply of which no value could be read."""


@dataclass(slots=True)
class WeekTally:
    """One task in one week. `answered` are calls that got a reply, `read` those whose reply a contract has read."""

    calls: int = 0
    answered: int = 0
    read: int = 0
    compliant: int = 0
    refusals: int = 0
    unknown_labels: int = 0
    fallbacks: int = 0
    said: Counter[str] = field(default_factory=Counter)
    lengths: int = 0
    log_length: float = 0.0
    log_length_squared: float = 0.0

    def add(self, call: RoutedCall, labels: Collection[str]) -> None:
        """Count one call; `labels` are those of its task, none where it has no list of them."""
        self.calls += 1
        self.fallbacks += bool(call.fallback or call.error)
        if call.error:
            return
        self.answered += 1
        if call.reply_chars is not None:
            length = math.log1p(call.reply_chars)
            self.lengths += 1
            self.log_length += length
            self.log_length_squared += length * length
        if call.compliant is None:
            return
        self.read += 1
        self.compliant += call.compliant
        self.refusals += "refusal" in call.violations
        self.unknown_labels += "unknown_label" in call.violations
        if labels:
            self.said[call.value if call.value in labels else NO_ANSWER] += 1


Weeks = Mapping[str, Mapping[date, WeekTally]]
"""Task -> Monday -> tally."""


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())


def name(week: date) -> str:
    """`2026-W48` of its Monday."""
    year, number, _ = week.isocalendar()
    return f"{year}-W{number:02}"


def parse(text: str) -> date:
    """The Monday of `2026-W48`; raises `ConfigError`."""
    try:
        found = datetime.strptime(f"{text.upper()}-1", "%G-W%V-%u").replace(tzinfo=UTC).date()
    except ValueError:
        found = date.min
    if found.year < 2000:
        msg = f"{text!r} is no week: write 2026-W48"
        raise ConfigError(msg)
    return found


def newest_whole(now: datetime) -> date:
    """The Monday of the newest week that is over, so that all who look in one week see the same."""
    return monday(now.astimezone(UTC).date()) - timedelta(weeks=1)


def stamp(day: date) -> str:
    """Where a day begins, as calls have their time."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat(timespec="milliseconds")


def holding(since: str, until: str) -> date:
    """The Monday of the week that holds the middle of some days: of seven days, most of them."""
    start, end = (datetime.fromisoformat(text) for text in (since, until))
    return monday((start + (end - start) / 2).date())


def last_day(until: str) -> date:
    """The last day that lies before a time."""
    return date.fromisoformat(until[:10]) - timedelta(days=1)


def count(calls: Iterable[RoutedCall], labels: Mapping[str, Collection[str]]) -> Weeks:
    """All calls, counted. `labels`: of the tasks that have a list of them."""
    found: dict[str, dict[date, WeekTally]] = defaultdict(lambda: defaultdict(WeekTally))
    mondays: dict[str, date] = {}
    for call in calls:
        day = call.called_at[:10]
        if day not in mondays:
            mondays[day] = monday(date.fromisoformat(day))
        found[call.task][mondays[day]].add(call, labels.get(call.task, ()))
    return {task: dict(weeks) for task, weeks in found.items()}


def days(since: str, until: date | None, now: datetime) -> tuple[str, str]:
    """From when until when, of `7d`, `2w` or a day; whole days, so that the same command draws the same.

    `until` is the last day, today if it is not said. Raises `ConfigError`.
    """
    last = until or now.astimezone(UTC).date()
    end = last + timedelta(days=1)
    if (amount := since[:-1]).isdecimal() and len(amount) < 5 and since[-1] in "dw" and int(amount):
        start = end - timedelta(days=int(amount) * (7 if since[-1] == "w" else 1))
    else:
        try:
            start = date.fromisoformat(since)
        except ValueError:
            msg = f"--since {since!r}: write 7d, 2w or a day such as {last - timedelta(days=6)}"
            raise ConfigError(msg) from None
    if start > last:
        msg = f"--since {since}: is after {last}, the last day"
        raise ConfigError(msg)
    return stamp(start), stamp(end)
