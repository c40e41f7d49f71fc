"""ISO weeks (Monday to Sunday, UTC), and logged calls counted by task and week."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from harness.core.errors import ConfigError
from harness.store.traffic import RoutedCall

NO_ANSWER = "no clear answer"
"""Counts as a label: a reply without a readable value."""


@dataclass(slots=True)
class WeekTally:
    """Counts of one task in one week.

    Attributes:
        calls: All calls.
        answered: Calls with a reply.
        read: Replies read under a contract.
        compliant: Replies that kept the contract.
        refusals: Replies that were refusals.
        unknown_labels: Replies with a label that the task does not have.
        fallbacks: Calls that the first backend did not answer, or that failed.
        labels: Label -> number of replies, including `NO_ANSWER`.
        lengths: Replies with a known length.
        log_length: Sum of log(1 + characters).
        log_length_squared: Sum of the squares.

    """

    calls: int = 0
    answered: int = 0
    read: int = 0
    compliant: int = 0
    refusals: int = 0
    unknown_labels: int = 0
    fallbacks: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    lengths: int = 0
    log_length: float = 0.0
    log_length_squared: float = 0.0

    def add(self, call: RoutedCall, labels: Collection[str]) -> None:
        """Count one call. `labels`: the labels of its task, empty if it has no list of labels."""
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
            self.labels[call.value if call.value in labels else NO_ANSWER] += 1


Weeks = Mapping[str, Mapping[date, WeekTally]]
"""Task -> Monday -> tally."""


def monday(day: date) -> date:
    """Return the Monday of the week that contains `day`."""
    return day - timedelta(days=day.weekday())


def name(week: date) -> str:
    """Return the name of a week by its Monday, such as `2026-W48`."""
    year, number, _ = week.isocalendar()
    return f"{year}-W{number:02}"


def parse(text: str) -> date:
    """Return the Monday of a week such as `2026-W48`; raises `ConfigError`."""
    try:
        day = datetime.strptime(f"{text.upper()}-1", "%G-W%V-%u").replace(tzinfo=UTC).date()
    except ValueError:
        day = date.min
    if day.year < 2000:
        msg = f"{text!r} is not a week: write it like 2026-W48"
        raise ConfigError(msg)
    return day


def newest_whole(now: datetime) -> date:
    """Return the Monday of the newest complete week. Fixed within a week, so that results do not depend on the day."""
    return monday(now.astimezone(UTC).date()) - timedelta(weeks=1)


def stamp(day: date) -> str:
    """Return the start of a day in the format of logged calls."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat(timespec="milliseconds")


def holding(since: str, until: str) -> date:
    """Return the Monday of the week that contains the middle of a period."""
    start, end = (datetime.fromisoformat(text) for text in (since, until))
    return monday((start + (end - start) / 2).date())


def last_day(until: str) -> date:
    """Return the last day of a period that ends before `until`."""
    return date.fromisoformat(until[:10]) - timedelta(days=1)


def count(calls: Iterable[RoutedCall], labels: Mapping[str, Collection[str]]) -> Weeks:
    """Count calls by task and week. `labels`: task -> labels, for tasks with a list of labels."""
    counts: dict[str, dict[date, WeekTally]] = defaultdict(lambda: defaultdict(WeekTally))
    mondays: dict[str, date] = {}
    for call in calls:
        day = call.called_at[:10]
        if day not in mondays:
            mondays[day] = monday(date.fromisoformat(day))
        counts[call.task][mondays[day]].add(call, labels.get(call.task, ()))
    return {task: dict(weeks) for task, weeks in counts.items()}


def days(since: str, until: date | None, now: datetime) -> tuple[str, str]:
    """Return start and end of a period in whole days, so that repeated commands use the same calls.

    Args:
        since: `7d`, `2w`, or the first day.
        until: The last day; today if `None`.
        now: The current time.

    Raises `ConfigError` if `since` is malformed or after the last day.
    """
    last = until or now.astimezone(UTC).date()
    end = last + timedelta(days=1)
    if (amount := since[:-1]).isdecimal() and len(amount) < 5 and since[-1] in "dw" and int(amount):
        start = end - timedelta(days=int(amount) * (7 if since[-1] == "w" else 1))
    else:
        try:
            start = date.fromisoformat(since)
        except ValueError:
            msg = f"--since {since!r} is not a period: write 7d, 2w or a day such as {last - timedelta(days=6)}"
            raise ConfigError(msg) from None
    if start > last:
        msg = f"--since {since} is after {last}, the last day of the sample"
        raise ConfigError(msg)
    return stamp(start), stamp(end)
