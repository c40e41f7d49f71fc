"""A batch outlives the command that sent it: after Ctrl-C, a crash or a cancelling it is found again and paid once."""

from __future__ import annotations

import pytest

from harness.batch import _ask

from ..support.batch_runs import RUN, WAITED, errors, interrupt_at_next_wait, newest, under_way
from ..support.batches import End, FakeBatches
from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import error


@pytest.mark.parametrize("resume", [("--resume",), ()])
def test_after_ctrl_c_the_same_batch_is_waited_for(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, resume: tuple[str, ...]
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    assert harness(*RUN).code == 130
    listed = under_way(harness).out
    assert "batch_0  triage local@fake" in listed
    assert "in_progress" in listed
    monkeypatch.setattr(_ask, "_waited", WAITED)
    api.hangs = False
    assert harness(*RUN, *resume).code == 0
    assert list(api.batches) == ["batch_0"], "nothing is paid twice"
    assert len(newest(batched).results) == 4


def test_a_crash_before_the_servers_answer_does_not_pay_twice(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was made, but who asked for it died before it heard its id."""
    monkeypatch.setattr(_ask, "PATIENCE_S", -1.0)
    api.after_create = error(500, "oh")
    ended = harness(*RUN)
    assert (ended.code, "--resume` collects them" in ended.err) == (2, True), ended.err
    assert "(not made)" in under_way(harness).out
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert "no batch is under way" in under_way(harness).out
    del batched


def test_an_answer_that_was_lost_makes_no_second_batch(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.after_create = error(503, "oh")
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_crash_before_the_server_has_heard_is_forgotten(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ask, "PATIENCE_S", -1.0)
    api.troubles.extend([None, error(503, "oh")])  # the file is taken, the batch is not
    assert harness(*RUN).code == 2
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_server_that_stays_away_leaves_the_batch_to_the_next_run(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ask, "PATIENCE_S", 0.02)
    api.troubles.extend([None, None, *[error(503)] * 100])
    assert harness(*RUN).code == 2
    api.troubles.clear()
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_cancelled_keeps_what_was_answered(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    monkeypatch.setattr(_ask, "_waited", WAITED)
    api.ends.append(End(answered=1))
    assert "batch_0: cancelling" in harness("batch", "cancel", "batch_0").out
    assert "cancelled, 1 of 4 answered, 3 failed" in under_way(harness).out
    api.hangs = False
    assert harness(*RUN, "--resume").code == 0, "asked again, because somebody asks again"
    assert [len(api.requests(name)) for name in api.batches] == [4, 3]
    del batched


@pytest.mark.parametrize("earlier", [False, True])
def test_what_is_cancelled_while_it_is_waited_for_is_not_asked_again(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, *, earlier: bool
) -> None:
    api.hangs = True
    if earlier:
        interrupt_at_next_wait(monkeypatch)
        harness(*RUN)
        monkeypatch.setattr(_ask, "_waited", WAITED)
    looks = iter(range(100))

    def cancel_at_the_third() -> None:
        if next(looks) == 2:
            api.batches["batch_0"] |= {"status": "cancelling", "answered": 1}

    api.on_look = cancel_at_the_third
    assert harness(*RUN, "--resume").code == 4
    assert list(api.batches) == ["batch_0"]
    assert set(errors(batched).values()) == {"the batch was cancelled before this was asked"}
    assert len(errors(batched)) == 3


def test_cancel_needs_to_know_which(harness: Terminal, batched: Project) -> None:
    assert "`harness batch list`" in harness("batch", "cancel").err
    assert "no batch 'batch_9' is under way" in harness("batch", "cancel", "batch_9").err
    assert harness("batch", "cancel", "--all").code == 0
    del batched


def test_a_list_that_the_server_cannot_add_to_says_so(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    api.troubles.append(error(503, "down for an hour"))
    assert "down for an hour" in under_way(harness).out
    batched.config((batched.root / "harness.toml").read_text().replace("backends.fake", "backends.new"))
    assert "backend fake is not in harness.toml any more" in under_way(harness).out
