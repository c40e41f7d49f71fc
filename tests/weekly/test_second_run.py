"""Second runs and noise samples of a week, from the command line to the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from harness.core.types import Manifest
from harness.store.runs import open_store

from ..support.cli import CommandResult, Terminal
from ..support.project import Project
from ..support.running import cases
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply

DAYS = ("2026-11-10", "2026-11-17", "2026-11-24")
N = 100

Wrong = Callable[[int, int], bool]
"""Whether the reply to a ticket, at its n-th request of a week, is wrong."""


@pytest.fixture
def week(
    harness: Terminal, served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CommandResult]:
    """Runs a week over 100 cases."""
    cases(served, N)
    config = (served.root / "harness.toml").read_text()

    def run(day: str, wrong: Wrong, settings: str = "noise_cases = 0") -> CommandResult:
        served.config(f"{config}[weekly]\n{settings}\n")
        requests: Counter[int] = Counter()

        def answer(asked: ReceivedRequest) -> Reply:
            found = asked.prompt.partition("ticket ")[2].split()
            if not found:
                return Reply("billing")
            number = int(found[0])
            requests[number] += 1
            return Reply("general" if wrong(number, requests[number]) else "billing")

        server.answer = answer
        with monkeypatch.context() as patched:
            patched.setattr("harness.report.write", lambda *_: None)
            return harness("weekly", "--date", day, "--no-cache", "--backend", "fake")

    return run


def never(_number: int, _request: int) -> bool:
    """A model that is always right."""
    return False


def saved(served: Project, tag: str) -> list[Manifest]:
    """The runs with a tag."""
    store = open_store(served.load().store_url)
    try:
        return [m for m in store.manifests() if tag in m.tags]
    finally:
        store.close()


def test_loss_that_a_second_run_confirms_fails_the_week(week: Callable[..., CommandResult], served: Project) -> None:
    assert week(DAYS[0], never).code == 0
    ended = week(DAYS[1], lambda number, _: number < 20)
    assert ended.code == 1
    assert "a second run confirms it" in ended.out
    assert [m.limit for m in saved(served, f"again-{DAYS[1]}")] == [None]


def test_loss_that_a_second_run_does_not_confirm_is_noted(week: Callable[..., CommandResult]) -> None:
    week(DAYS[0], never)
    ended = week(DAYS[1], lambda number, request: number < 20 and request == 1)
    assert ended.code == 0
    assert "a second run does not confirm it" in ended.out
    assert "without 20 cases that a second request answered right" in ended.out


def test_second_run_is_in_no_trend(week: Callable[..., CommandResult], served: Project) -> None:
    week(DAYS[0], never)
    week(DAYS[1], lambda number, request: number < 20 and request == 1)
    assert len(saved(served, "weekly")) == 2
    assert week(DAYS[2], never).code == 0


def test_good_week_has_no_second_run(week: Callable[..., CommandResult], served: Project) -> None:
    week(DAYS[0], never)
    week(DAYS[1], never)
    assert saved(served, f"again-{DAYS[1]}") == []


def test_second_run_can_be_switched_off(week: Callable[..., CommandResult], served: Project) -> None:
    week(DAYS[0], never)
    ended = week(DAYS[1], lambda number, _: number < 20, "noise_cases = 0\nsecond_run = false")
    assert ended.code == 1  # one cell: its loss is proven without
    assert saved(served, f"again-{DAYS[1]}") == []


def test_noise_is_measured_where_the_server_gives_no_digest(
    week: Callable[..., CommandResult], served: Project
) -> None:
    ended = week(DAYS[0], lambda number, request: number < 3 and request == 1, "noise_cases = 30")
    (sample,) = saved(served, f"noise-{DAYS[0]}")
    assert sample.limit == 30
    assert "answers that change by themselves: 3 of 30" in ended.out
