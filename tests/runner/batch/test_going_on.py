"""A batch outlives its command: after Ctrl-C, a crash or a cancellation it is collected, and paid only once."""

from __future__ import annotations

import pytest

from harness.runner import batch
from harness.runner.batch import BatchStatus, cell_batch
from harness.runner.batch.openai_api import BatchAPI
from harness.store import leases
from harness.store.runs import open_store

from ...support.batch_runs import RUN, WAITED, errors, interrupt_at_next_wait, left_behind, newest, under_way
from ...support.batches import End, FakeBatches
from ...support.cli import Terminal
from ...support.project import Project
from ...support.servers import error


@pytest.mark.parametrize("resume", [("--resume",), ()])
def test_the_next_run_waits_for_the_batch_after_ctrl_c(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, resume: tuple[str, ...]
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    assert harness(*RUN).code == 130
    listed = under_way(harness).out
    assert "batch_0  triage local@fake" in listed
    assert "in_progress" in listed
    monkeypatch.setattr(cell_batch, "_wait", WAITED)
    api.hangs = False
    assert harness(*RUN, *resume).code == 0
    assert list(api.batches) == ["batch_0"], "no request is paid twice"
    assert len(newest(batched).results) == 4


def test_a_crash_before_the_servers_answer_does_not_pay_twice(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server created the batch, but the process died before it received the id."""
    monkeypatch.setattr(cell_batch, "GIVE_UP_AFTER_S", -1.0)
    api.after_create = error(500, "oh")
    ended = harness(*RUN)
    assert (ended.code, "--resume`" in ended.err) == (2, True), ended.err
    assert "(not created)" in under_way(harness).out
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert "no pending batch jobs" in under_way(harness).out
    del batched


def test_a_lost_reply_to_create_makes_no_second_batch(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.after_create = error(503, "oh")
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_job_the_server_did_not_create_is_deleted(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_batch, "GIVE_UP_AFTER_S", -1.0)
    api.troubles.extend([None, error(503, "oh")])  # the upload succeeds, creating the batch does not
    assert harness(*RUN).code == 2
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_an_unavailable_server_leaves_the_batch_to_the_next_run(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_batch, "GIVE_UP_AFTER_S", 0.02)
    api.troubles.extend([None, None, *[error(503)] * 100])
    assert harness(*RUN).code == 2
    api.troubles.clear()
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_job_deleted_by_another_run_is_saved_again(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_batch, "GIVE_UP_AFTER_S", -1.0)
    store = open_store(batched.load().store_url)
    create = BatchAPI.create

    async def forget_and_create(batch_api: BatchAPI, *args: str) -> BatchStatus:
        for job in batch.read(store):
            batch.forget(store, job.token)
        return await create(batch_api, *args)

    monkeypatch.setattr(BatchAPI, "create", forget_and_create)
    api.after_create = error(500, "oh")
    assert harness(*RUN).code == 2
    store.close()
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"], "the batch was created although its id never arrived"


def test_replies_of_a_cancelled_batch_are_kept(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    monkeypatch.setattr(cell_batch, "_wait", WAITED)
    api.ends.append(End(answered=1))
    assert "batch_0: cancelling" in harness("batch", "cancel", "batch_0").out
    assert "cancelled, 1 of 4 answered, 3 failed" in under_way(harness).out
    api.hangs = False
    assert harness(*RUN, "--resume").code == 0, "a new run sends the remaining requests"
    assert [len(api.requests(name)) for name in api.batches] == [4, 3]
    del batched


@pytest.mark.parametrize("earlier", [False, True])
def test_a_batch_cancelled_during_the_wait_is_not_sent_again(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, *, earlier: bool
) -> None:
    api.hangs = True
    if earlier:
        interrupt_at_next_wait(monkeypatch)
        harness(*RUN)
        monkeypatch.setattr(cell_batch, "_wait", WAITED)
    looks = iter(range(100))

    def cancel_at_the_third() -> None:
        if next(looks) == 2:
            api.batches["batch_0"] |= {"status": "cancelling", "answered": 1}

    api.on_look = cancel_at_the_third
    assert harness(*RUN, "--resume").code == 4
    assert list(api.batches) == ["batch_0"]
    assert all("cancelled" in message for message in errors(batched).values())
    assert len(errors(batched)) == 3


@pytest.mark.parametrize("resume", [("--resume",), ()])
def test_requests_are_sent_again_if_results_were_deleted(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, resume: tuple[str, ...]
) -> None:
    """OpenAI deletes files after a while: the cell must still be able to run."""
    left_behind(harness, api, monkeypatch)
    api.loses_files = True
    api.on_look = lambda: setattr(api, "loses_files", "batch_1" not in api.batches)
    ended = harness(*RUN, *resume)
    assert ended.code == 0, ended.err
    assert "batch batch_0: " in ended.err
    assert "file file-1: Error code: 404 - No such File object" in ended.err
    assert [len(api.requests(name)) for name in api.batches] == [4, 4]
    assert under_way(harness).out == "no pending batch jobs\n"
    assert not errors(batched)


def test_a_result_file_missing_at_first_is_not_paid_again(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    api.loses_files = True
    assert harness(*RUN).code == 4
    assert all("batch batch_0: " in message for message in errors(batched).values())
    assert len(errors(batched)) == 4
    api.loses_files = False
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert under_way(harness).out == "no pending batch jobs\n"


def test_cancel_removes_a_job_whose_results_are_gone(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(harness, api, monkeypatch)
    api.loses_files = True
    ended = harness("batch", "cancel", "batch_0")
    assert (ended.code, "batch_0: completed, 4 of 4 answered: removed" in ended.out) == (0, True)
    assert under_way(harness).out == "no pending batch jobs\n"
    api.loses_files = False
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0", "batch_1"]
    del batched


def test_cancel_removes_a_job_the_server_does_not_know(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(harness, api, monkeypatch)
    api.batches.clear()
    assert "gone, 0 of 4 answered: removed" in harness("batch", "cancel", "--all").out
    assert under_way(harness).out == "no pending batch jobs\n"
    del batched


def test_cancel_keeps_a_job_with_paid_results(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(harness, api, monkeypatch)
    out = harness("batch", "cancel", "batch_0").out
    assert "batch_0: completed, 4 of 4 answered" in out
    assert "`harness run --batch`" in out
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_two_runs_of_a_cell_share_one_batch(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run belongs to one process. Another run reads the same batch, and leaves its results for the first."""
    left_behind(harness, api, monkeypatch)
    store = open_store(batched.load().store_url)
    (first,) = store.manifests()
    assert leases.acquire(store, first.run_id, "elsewhere:1:ab")
    assert "process 1 on elsewhere" in harness(*RUN, "--resume").err
    assert harness(*RUN).code == 0
    assert newest(batched).manifest.run_id != first.run_id
    leases.release(store, first.run_id, "elsewhere:1:ab")
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert [len(store.results(each.run_id)) for each in store.manifests()] == [4, 4]
    store.close()


def test_cancel_without_ids_names_the_list_command(harness: Terminal, batched: Project) -> None:
    assert "`harness batch list`" in harness("batch", "cancel").err
    assert "no pending batch job 'batch_9'" in harness("batch", "cancel", "batch_9").err
    assert harness("batch", "cancel", "--all").code == 0
    del batched


def test_list_shows_why_a_status_is_unknown(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    api.troubles.append(error(503, "down for an hour"))
    assert "down for an hour" in under_way(harness).out
    batched.config((batched.root / "harness.toml").read_text().replace("backends.fake", "backends.new"))
    assert "backend fake is no longer in harness.toml" in under_way(harness).out
