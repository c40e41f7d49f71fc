"""What is saved, whatever ends a run, and how the next one goes on with it."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from harness.backends.http.errors import failed
from harness.core.errors import BackendError, Interrupted, StoreError
from harness.core.types import ModelInfo, Request, Response, Result, Run
from harness.runner import cell_runner, engine
from harness.store import database
from harness.store.runs import Store, open_store

from ...support.engine import Slow, after, answer, run_of, served
from ...support.project import Project
from ...support.running import Heard, Scripted, cases, config_of, execute
from ...support.servers import FakeOpenAI

# Going on


def interrupted(project: Project, store: Store, n: int = 5) -> str:
    """A run of 20 cases that came as far as `n` answers and ten failures; returns its id."""
    cases(project, 20)
    execute(project, store, backend=lambda _: Scripted(after(n, failed("server", "boom"))))
    return store.manifests()[0].run_id


def test_resume_sends_only_unanswered_requests_of_the_run(project: Project, store: Store) -> None:
    run_id = interrupted(project, store)
    before = store.results(run_id)[:5]
    backend, heard = Scripted(answer), Heard()
    run = run_of(project, store, backend=lambda _: backend, resume=True, heard=heard)
    assert run.manifest.run_id == run_id
    assert len(backend.asked) == 15
    assert heard.of("started") == [("local@fake", 20, 5)]
    assert run.results[:5] == tuple(before)
    assert [r.response.error for r in run.results] == [None] * 20
    assert store.load(run_id) == run


def test_without_resume_the_interrupted_run_is_left_alone(project: Project, store: Store) -> None:
    run_id = interrupted(project, store)
    before = store.load(run_id)
    run = run_of(project, store, backend=lambda _: Scripted(answer))
    assert run.manifest.run_id != run_id
    assert store.load(run_id) == before


def test_resume_does_not_touch_a_finished_run(project: Project, store: Store) -> None:
    cases(project, 5)
    first = run_of(project, store, backend=lambda _: Scripted(answer))
    again = run_of(project, store, backend=lambda _: Scripted(answer), resume=True)
    assert again.manifest.run_id != first.manifest.run_id
    assert all(result.cached for result in again.results)
    assert store.load(first.manifest.run_id) == first


@pytest.mark.parametrize("change", ["prompt", "dataset", "model", "sampling"])
def test_resume_does_not_continue_a_different_run(project: Project, store: Store, change: str) -> None:
    run_id = interrupted(project, store)
    info = ModelInfo(model="scripted", digest="sha256:1")
    if change == "prompt":
        project.prompt(local="{{ labels }} {{ text }}")
    elif change == "dataset":
        cases(project, 21)
    elif change == "sampling":
        project.eval("[sampling]\nmax_tokens = 3\n")
    else:
        info = replace(info, digest="sha256:2")
    run = run_of(project, store, backend=lambda _: Scripted(answer, info=info), resume=True)
    assert run.manifest.run_id != run_id


def test_resume_without_cache_keeps_the_results_of_the_run(project: Project, store: Store) -> None:
    interrupted(project, store)
    backend = Scripted(answer)
    run_of(project, store, backend=lambda _: backend, resume=True, cache=False)
    assert len(backend.asked) == 15


# Saving


def test_results_are_saved_before_listeners_are_notified(project: Project, store: Store, server: FakeOpenAI) -> None:
    cases(project, 12)
    served(project, server)
    seen: list[bool] = []

    def look(results: Any) -> None:
        with sqlite3.connect(project.root / ".harness" / "runs.db") as other:
            ids = {row[0] for row in other.execute("SELECT case_id FROM results")}
        seen.append({result.case.id for result in results} <= ids)

    heard = Heard(on_answer=look)
    run_of(project, store, heard=heard)
    assert seen
    assert all(seen)
    assert sorted(i for _, ids in heard.of("answered") for i in ids) == [f"c-{i:03}" for i in range(12)]
    assert heard.told[-1][0] == "finished"


def test_full_disk_stops_the_run_and_keeps_saved_results(project: Project, store: Store) -> None:
    cases(project, 60)
    pages = [40]

    def limit(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")

    sa.event.listen(store._engine, "checkout", limit)
    with pytest.raises(StoreError, match=r"the disk is full: .* --resume"):
        execute(project, store, backend=lambda _: Slow(lambda _: Response("x" * 4000, latency_s=0.0)))
    pages[0] = 10_000
    kept = len(store.results(store.manifests()[0].run_id))
    assert 0 < kept < 60
    backend = Scripted(answer)
    run = run_of(project, store, backend=lambda _: backend, resume=True)
    assert len(backend.asked) == 60 - kept
    assert len(run.results) == 60


def test_store_error_stops_all_backends_with_one_error(
    project: Project, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    cases(project, 30)
    project.config(config_of("a") + config_of("b"))

    def full(run_id: str, results: Sequence[Result]) -> None:
        msg = "store x: database or disk is full"
        raise StoreError(msg)

    store.save = full  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="disk is full"):
        execute(project, store, backend=lambda _: Slow())
    assert capfd.readouterr() == ("", "")


def test_locked_store_stops_the_run_after_a_timeout(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    store = open_store(project.load().store_url)
    other = sqlite3.connect(project.root / ".harness" / "runs.db", isolation_level=None, check_same_thread=False)

    def hold(_: Request) -> Response:
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")
        return answer(_)

    with pytest.raises(StoreError, match="another process has locked the store"):
        execute(project, store, backend=lambda _: Scripted(hold))
    other.close()
    store.close()


def test_stopped_run_waits_for_a_pending_save(project: Project, store: Store) -> None:
    cases(project, 20)
    save, slow = store.save, threading.Event()

    def save_slowly(run_id: str, results: Any) -> None:
        if results:
            slow.wait(0.2)
        save(run_id, results)

    def script(request: Request) -> Response:
        if len(backend.asked) == 4:
            msg = "gone"
            raise BackendError(msg)
        return answer(request)

    store.save = save_slowly  # type: ignore[method-assign]
    backend = Scripted(script)
    outcome = execute(project, store, backend=lambda _: backend)
    assert [str(failure) for failure in outcome.failures] == ["gone"]
    assert len(store.results(store.manifests()[0].run_id)) == 3


def test_ctrl_c_saves_results_and_keeps_signal_handlers(project: Project, store: Store) -> None:
    cases(project, 40)

    def script(request: Request) -> Response:
        if len(backend.asked) >= 10:
            os.kill(os.getpid(), signal.SIGINT)  # again and again, as impatient people do
        return answer(request)

    backend = Slow(script)
    with pytest.raises(
        Interrupted, match=r"interrupted: \d+ answers of this session are saved; .* --resume goes on"
    ) as caught:
        execute(project, store, backend=lambda _: backend)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert backend.closed
    kept = len(store.results(store.manifests()[0].run_id))
    assert str(kept) in str(caught.value)
    assert 5 <= kept < 40


def test_handler_of_the_application_keeps_receiving_ctrl_c(project: Project, store: Store) -> None:
    heard: list[int] = []

    def script(request: Request) -> Response:
        os.kill(os.getpid(), signal.SIGINT)
        return answer(request)

    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        run = run_of(project, store, backend=lambda _: Scripted(script))
    finally:
        signal.signal(signal.SIGINT, before)
    assert set(heard) == {signal.SIGINT}
    assert len(run.results) == 4


def test_run_works_outside_the_main_thread(project: Project, store: Store) -> None:
    runs: list[Run] = []
    thread = threading.Thread(target=lambda: runs.append(run_of(project, store, backend=lambda _: Scripted(answer))))
    thread.start()
    thread.join()
    assert len(runs[0].results) == 4


def test_bug_in_a_backend_is_raised_and_loses_no_result(project: Project, store: Store) -> None:
    cases(project, 20)

    def script(request: Request) -> Response:
        if len(backend.asked) == 4:
            msg = "a defect"
            raise RuntimeError(msg)
        return answer(request)

    backend = Scripted(script)
    with pytest.raises(RuntimeError, match="a defect"):
        execute(project, store, backend=lambda _: backend)
    assert len(store.results(store.manifests()[0].run_id)) == 3


def test_an_empty_plan_is_an_empty_outcome(project: Project, store: Store) -> None:
    assert execute(project, store, cells=[]) == engine.Outcome()


@pytest.mark.parametrize(
    ("digest", "hours_later", "still_good"), [("", 23, True), ("", 25, False), ("sha256:1", 24 * 365, True)]
)
def test_answers_of_a_model_without_a_digest_are_good_for_a_day(
    project: Project, store: Store, monkeypatch: pytest.MonkeyPatch, digest: str, hours_later: int, still_good: bool
) -> None:
    info = ModelInfo(model="scripted", digest=digest)
    run_of(project, store, backend=lambda _: Scripted(answer, info=info))
    real, later = cell_runner.now, timedelta(hours=hours_later)
    monkeypatch.setattr(cell_runner, "now", lambda offset=timedelta(): real(offset + later))
    again = run_of(project, store, backend=lambda _: Scripted(answer, info=info))
    assert {result.cached for result in again.results} == {still_good}


def test_run_without_results_is_not_saved(project: Project, store: Store) -> None:
    def broken(_: Request) -> Response:
        return failed("connection", "refused")

    outcome = execute(project, store, backend=lambda _: Scripted(broken, warm_up=True))
    assert outcome.skipped
    assert store.manifests() == []
