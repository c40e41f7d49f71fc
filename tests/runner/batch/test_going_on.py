"""A batch outlives the command that sent it: after Ctrl-C, a crash or a cancelling it is found again and paid once."""

from __future__ import annotations

import pytest

from harness.runner import batch
from harness.runner.batch import BatchStatus, backend
from harness.runner.batch.openai_api import BatchAPI
from harness.store import leases
from harness.store.runs import open_store

from ...support.batch_runs import RUN, WAITED, errors, interrupt_at_next_wait, left_behind, newest, under_way
from ...support.batches import End, FakeBatches
from ...support.cli import Terminal
from ...support.project import Project
from ...support.servers import error


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
    monkeypatch.setattr(backend, "_waited", WAITED)
    api.hangs = False
    assert harness(*RUN, *resume).code == 0
    assert list(api.batches) == ["batch_0"], "nothing is paid twice"
    assert len(newest(batched).results) == 4


def test_a_crash_before_the_servers_answer_does_not_pay_twice(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was made, but who asked for it died before it heard its id."""
    monkeypatch.setattr(backend, "PATIENCE_S", -1.0)
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
    monkeypatch.setattr(backend, "PATIENCE_S", -1.0)
    api.troubles.extend([None, error(503, "oh")])  # the file is taken, the batch is not
    assert harness(*RUN).code == 2
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_server_that_stays_away_leaves_the_batch_to_the_next_run(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "PATIENCE_S", 0.02)
    api.troubles.extend([None, None, *[error(503)] * 100])
    assert harness(*RUN).code == 2
    api.troubles.clear()
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_what_another_run_has_forgotten_is_noted_again_before_the_server_is_given_up(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "PATIENCE_S", -1.0)
    store = open_store(batched.load().store_url)
    create = BatchAPI.create

    async def created(service: BatchAPI, *asked: str) -> BatchStatus:
        for sent in batch.read(store):
            batch.forget(store, sent.token)
        return await create(service, *asked)

    monkeypatch.setattr(BatchAPI, "create", created)
    api.after_create = error(500, "oh")
    assert harness(*RUN).code == 2
    store.close()
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"], "the batch that was made, though nobody heard of it"


def test_cancelled_keeps_what_was_answered(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    monkeypatch.setattr(backend, "_waited", WAITED)
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
        monkeypatch.setattr(backend, "_waited", WAITED)
    looks = iter(range(100))

    def cancel_at_the_third() -> None:
        if next(looks) == 2:
            api.batches["batch_0"] |= {"status": "cancelling", "answered": 1}

    api.on_look = cancel_at_the_third
    assert harness(*RUN, "--resume").code == 4
    assert list(api.batches) == ["batch_0"]
    assert set(errors(batched).values()) == {"the batch was cancelled before this was asked"}
    assert len(errors(batched)) == 3


@pytest.mark.parametrize("resume", [("--resume",), ()])
def test_results_that_are_gone_from_the_server_are_asked_anew(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, resume: tuple[str, ...]
) -> None:
    """OpenAI deletes files in time: that must not keep a cell from ever being run again."""
    left_behind(harness, api, monkeypatch)
    api.loses_files = True
    api.on_look = lambda: setattr(api, "loses_files", "batch_1" not in api.batches)
    ended = harness(*RUN, *resume)
    assert ended.code == 0, ended.err
    told = "no answers from batch batch_0: the server does not give file file-1: Error code: 404 - No such File object"
    assert told in ended.err
    assert [len(api.requests(name)) for name in api.batches] == [4, 4]
    assert under_way(harness).out == "no batch is under way\n"
    assert not errors(batched)


def test_what_was_paid_a_moment_ago_is_not_paid_again_because_a_file_is_not_there_yet(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    api.loses_files = True
    assert harness(*RUN).code == 4
    assert all(told.startswith("no answers from batch batch_0: ") for told in errors(batched).values())
    assert len(errors(batched)) == 4
    api.loses_files = False
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert under_way(harness).out == "no batch is under way\n"


def test_cancel_forgets_what_has_ended_and_is_gone(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(harness, api, monkeypatch)
    api.loses_files = True
    ended = harness("batch", "cancel", "batch_0")
    told = "batch_0: completed, 4 of 4 answered: forgotten, the server does not give its results any more\n"
    assert (ended.code, ended.out) == (0, told)
    assert under_way(harness).out == "no batch is under way\n"
    api.loses_files = False
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0", "batch_1"]
    del batched


def test_cancel_forgets_what_the_server_does_not_know(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(harness, api, monkeypatch)
    api.batches.clear()
    assert "gone, 0 of 4 answered: forgotten, the server does not know it" in harness("batch", "cancel", "--all").out
    assert under_way(harness).out == "no batch is under way\n"
    del batched


def test_cancel_keeps_answers_that_are_paid(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(harness, api, monkeypatch)
    told = "batch_0: completed, 4 of 4 answered: `harness run --batch` collects them\n"
    assert harness("batch", "cancel", "batch_0").out == told
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_two_runs_of_a_cell_at_the_same_time_pay_once(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is one process's; another run takes its answers from the same batch, and leaves it the answers."""
    left_behind(harness, api, monkeypatch)
    store = open_store(batched.load().store_url)
    (first,) = store.manifests()
    assert leases.acquire(store, first.run_id, "elsewhere:1:ab")
    assert "is already being resumed by process 1 on elsewhere" in harness(*RUN, "--resume").err
    assert harness(*RUN).code == 0
    assert newest(batched).manifest.run_id != first.run_id
    leases.release(store, first.run_id, "elsewhere:1:ab")
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert [len(store.results(each.run_id)) for each in store.manifests()] == [4, 4]
    store.close()


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
