"""The loop: what is asked, how often, what is saved, and who is told what, whatever the server does."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from harness import answering, engine
from harness import store as store_module
from harness.backends._http import failed
from harness.errors import BackendError, BackendUnavailable, Interrupted, StoreError
from harness.pace import _retries
from harness.store import Store, open_store
from harness.types import ModelInfo, Request, Response, Result, Run

from .support.project import Project
from .support.running import Heard, Scripted, cases, cells_of, config_of, execute
from .support.servers import Asked, FakeOpenAI, Reply, closing, error, skip_certificates


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with closing(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    opened = open_store(project.load().store_url)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)
    monkeypatch.setattr(_retries, "FIRST_WAIT_S", 0.001)


def served(project: Project, server: FakeOpenAI, **more: Any) -> None:
    """The project's only backend is the server."""
    project.config(config_of(url=server.base_url, **more))


def run_of(project: Project, store: Store, **settings: Any) -> Run:
    outcome = execute(project, store, **settings)
    assert (outcome.failures, outcome.skipped) == ((), ())
    (run,) = outcome.runs
    return run


def saved(store: Store, run: Run) -> list[Result]:
    return store.results(run.manifest.run_id)


def answer(request: Request) -> Response:
    return Response("billing", "stop", latency_s=0.01)


def after(n: int, then: Response) -> Callable[[Request], Response]:
    """Answers `n` times, then says `then`."""
    count = iter(range(10**6))
    return lambda _: answer(_) if next(count) < n else then


# A run


def test_every_case_is_asked_once_read_scored_and_saved(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.answer = lambda asked: Reply("The category is: technical" if "crashes" in asked.prompt else "billing")
    run = run_of(project, store)
    assert [(r.case.id, r.response.text) for r in run.results] == [
        ("t-1", "billing"),
        ("t-2", "The category is: technical"),
        ("t-3", "billing"),
        ("t-4", "billing"),
    ]
    second = run.results[1]
    assert second.reading is not None
    assert (second.reading.strict, second.reading.lenient, second.reading.violations) == (
        None,
        "technical",
        ("preamble",),
    )
    assert second.score is not None
    assert (second.score.strict, second.score.lenient, second.attempts, second.cached) == (False, True, 1, False)
    assert store.load(run.manifest.run_id) == run
    assert len(server.prompts) == 4


def test_a_run_carries_all_that_decides_whether_it_can_be_compared(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
    served(project, server, quantization="Q4_K_M")
    run = run_of(project, store)
    fingerprint = run.manifest.fingerprint
    assert (fingerprint["model"], fingerprint["quantization"], fingerprint["engine"]) == (
        "fake-model",
        "Q4_K_M",
        "openai",
    )
    assert fingerprint["served_model"] == "fake-model fp_fake"
    assert fingerprint.keys() >= {
        "prompt_hash",
        "rendered_hash",
        "dataset_hash",
        "contract_hash",
        "sampling",
        "harness",
    }
    assert run.manifest.finished_at is not None
    assert run.manifest.n_cases == 4


def test_the_cells_of_a_backend_run_in_the_order_they_were_planned(project: Project, store: Store) -> None:
    project.config(config_of("b") + config_of("a"))
    cells = project.plan()
    heard = Heard()
    outcome = execute(project, store, cells=cells, heard=heard, backend=lambda _: Scripted(answer))
    assert [run.manifest.cell for run in outcome.runs] == [cell.name for cell in cells]
    started = [name for name, _, _ in heard.of("started")]
    for backend in "ab":
        assert [name for name in started if name.endswith(backend)] == [f"gpt@{backend}", f"local@{backend}"]


def test_one_at_a_time_asks_in_the_order_of_the_dataset(project: Project, store: Store, server: FakeOpenAI) -> None:
    cases(project, 12)
    served(project, server)
    run_of(project, store, jobs=1)
    assert [p.split("\n")[0] for p in server.prompts] == [f"Ticket: ticket {i}" for i in range(12)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_server_never_sees_more_requests_at_once_than_were_allowed(
    project: Project, store: Store, server: FakeOpenAI, jobs: int
) -> None:
    cases(project, 12)
    served(project, server, concurrency=9)
    server.answer = lambda _: Reply(delay_s=0.03)
    run_of(project, store, jobs=jobs)
    assert server.most_at_once == jobs


def test_without_a_flag_the_configuration_says_how_many_at_once(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
    cases(project, 12)
    served(project, server, concurrency=2)
    server.answer = lambda _: Reply(delay_s=0.03)
    run_of(project, store)
    assert server.most_at_once == 2


def test_an_embedded_engine_gets_no_more_at_once_than_it_has_slots_because_the_rest_would_wait_as_latency(
    project: Project, store: Store
) -> None:
    cases(project, 40)
    assert busiest(project, store, exclusive=True, slots=2, jobs=6) == 2
    assert busiest(project, store, exclusive=True, slots=2, jobs=1) == 1
    assert busiest(project, store, exclusive=False, slots=2, jobs=6) == 6


def busiest(project: Project, store: Store, *, exclusive: bool, slots: int, jobs: int) -> int:
    backend = Slow(exclusive=exclusive, concurrency=slots)
    run_of(project, store, backend=lambda _: backend, jobs=jobs, cache=False)
    return backend.most_at_once


class Slow(Scripted):
    """Answers after a moment, and counts how many wait."""

    def __init__(self, script: Callable[[Request], Response] = answer, **more: Any) -> None:
        super().__init__(script, **more)
        self.now = self.most_at_once = 0

    async def complete(self, request: Request) -> Response:
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        return await super().complete(request)


def test_two_embedded_engines_do_not_share_the_cores(project: Project, store: Store) -> None:
    project.config(config_of("a") + config_of("b"))
    at_work: Counter[str] = Counter()
    most = [0]

    class Greedy(Slow):
        async def complete(self, request: Request) -> Response:
            at_work["now"] += 1
            most[0] = max(most[0], at_work["now"])
            try:
                return await super().complete(request)
            finally:
                at_work["now"] -= 1

    execute(project, store, backend=lambda _: Greedy(exclusive=True))
    assert most == [1]
    execute(project, store, backend=lambda _: Greedy(exclusive=False), cache=False)
    assert most == [2]


# Trouble with a call


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_call_is_repeated_until_it_is_answered(
    project: Project, store: Store, server: FakeOpenAI, status: int
) -> None:
    served(project, server, retries=4)
    server.next(Reply("billing"), error(status), error(status), Reply("general"))  # the first one is the warm-up's
    run = run_of(project, store, jobs=1)
    assert run.results[0].response.text == "general"
    assert [result.attempts for result in run.results] == [3, 1, 1, 1]


def test_a_call_is_given_up_after_all_retries_and_is_no_wrong_answer(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
    served(project, server, retries=2)
    server.answer = lambda asked: error(500, "boom") if "crashes" in asked.prompt else Reply("billing")
    run = run_of(project, store)
    bad = run.results[1]
    assert bad.response.error is not None
    assert (bad.response.error.kind, bad.response.error.status, bad.attempts) == ("server", 500, 3)
    assert (bad.reading, bad.score) == (None, None)
    assert sum("crashes" in prompt for prompt in server.prompts) == 3
    assert saved(store, run) == list(run.results)


def test_what_the_server_does_not_take_is_not_repeated(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server, retries=4)
    server.answer = lambda asked: error(400, "too long") if "crashes" in asked.prompt else Reply("billing")
    run = run_of(project, store)
    assert [result.attempts for result in run.results] == [1, 1, 1, 1]
    assert sum("crashes" in prompt for prompt in server.prompts) == 1


@pytest.mark.parametrize(
    "trouble", [Reply(drop=True), Reply(body=b"<html>"), Reply(json={"choices": []}), Reply(delay_s=0.5)]
)
def test_any_passing_trouble_is_repeated(project: Project, store: Store, server: FakeOpenAI, trouble: Reply) -> None:
    served(project, server, retries=1, timeout_s=0.3)
    server.next(Reply("billing"), trouble)
    assert run_of(project, store, jobs=1).results[0].attempts == 2


def test_a_backend_that_never_returns_is_timed_out(project: Project, store: Store) -> None:
    project.config(config_of(timeout_s=0.05))

    class Stuck(Scripted):
        async def complete(self, request: Request) -> Response:
            await asyncio.sleep(3600)
            return await super().complete(request)

    run = run_of(project, store, backend=lambda _: Stuck(answer))
    assert {r.response.error.message for r in run.results if r.response.error} == {"no answer within 0.05 s"}


@pytest.mark.parametrize("headers", [{"Retry_After": "0.2"}, {"Retry_After_Ms": "200"}])
def test_the_engine_waits_as_long_as_the_server_asks(
    project: Project, store: Store, server: FakeOpenAI, headers: dict[str, str]
) -> None:
    served(project, server, retries=1)
    at: list[float] = []

    def said(_: Asked) -> Reply:
        at.append(time.monotonic())
        return error(429, **headers) if len(at) == 2 else Reply()

    server.answer = said
    run_of(project, store, jobs=1)
    assert 0.2 <= at[2] - at[1] < 5


def test_a_server_that_asks_for_a_day_is_not_waited_for(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.next(Reply(), error(429, Retry_After="86400"))
    (failure,) = execute(project, store, jobs=1).failures
    assert "asks to wait 24 hours" in str(failure)
    assert "--resume" in str(failure)


def test_waiting_is_no_latency(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server, retries=1)
    server.next(Reply(), error(429, Retry_After="0.4"))
    latency = run_of(project, store, jobs=1).results[0].response.latency_s
    assert latency is not None
    assert latency < 0.4


# Trouble with a backend


def test_a_run_in_which_every_call_fails_is_stopped_and_what_was_answered_is_saved(
    project: Project, store: Store
) -> None:
    cases(project, 40)
    backend = Scripted(after(5, failed("server", "boom", status=500)))
    outcome = execute(project, store, backend=lambda _: backend)
    (failure,) = outcome.failures
    assert "backend fake: stopped after 10 failed calls in a row, the last one server: boom" in str(failure)
    assert outcome.runs == ()
    (manifest,) = store.manifests()
    assert manifest.finished_at is None
    results = store.results(manifest.run_id)
    assert [result.response.error is None for result in results] == [True] * 5 + [False] * 10


def test_failures_with_answers_in_between_do_not_stop_a_run(project: Project, store: Store) -> None:
    cases(project, 40)
    turn = iter(range(40))
    backend = Scripted(lambda _: answer(_) if next(turn) % 9 == 0 else failed("server", "boom"))
    assert len(run_of(project, store, backend=lambda _: backend).results) == 40


@pytest.mark.parametrize(("required", "skipped"), [(frozenset(), 1), (frozenset({"fake"}), 0)])
def test_a_backend_that_is_not_there_is_skipped_unless_it_was_asked_for(
    project: Project, store: Store, required: frozenset[str], skipped: int
) -> None:
    heard = Heard()
    outcome = execute(project, store, heard=heard, required=required)  # nobody listens on port 9
    assert (len(outcome.skipped), len(outcome.failures), outcome.runs) == (skipped, 1 - skipped, ())
    assert len(heard.of("skipped")) == skipped
    text = outcome.skipped[0][1] if skipped else str(outcome.failures[0])
    assert "no answer from http://127.0.0.1:9/v1" in text
    assert store.manifests() == []


def test_a_missing_key_skips_the_backend(project: Project, store: Store) -> None:
    project.config(config_of(api_key_env="NO_SUCH_KEY"))
    assert execute(project, store).skipped == (("fake", "backend fake: no key: set NO_SUCH_KEY in the environment"),)


def test_one_backend_that_fails_does_not_stop_another(project: Project, store: Store, server: FakeOpenAI) -> None:
    with closing(FakeOpenAI()) as closed:
        closed.answer = lambda _: error(401)
        project.config(config_of("bad", url=closed.base_url) + config_of("good", url=server.base_url))
        server.answer = lambda _: Reply(delay_s=0.05)
        outcome = execute(project, store)
    assert [run.manifest.backend for run in outcome.runs] == ["good"]
    assert ["backend bad: the server refuses the key (401)" in str(failure) for failure in outcome.failures] == [True]


def test_a_key_refused_in_mid_run_stops_it_and_keeps_what_was_answered(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
    cases(project, 20)
    served(project, server)
    server.next(*[Reply()] * 6)
    server.answer = lambda _: error(401)
    outcome = execute(project, store, jobs=1)
    assert "refuses the key" in str(outcome.failures[0])
    assert len(store.results(store.manifests()[0].run_id)) == 5
    assert len(server.chats) == 7


def test_a_backend_that_goes_away_after_a_finished_cell_is_a_failure_and_not_a_skip(
    project: Project, store: Store
) -> None:
    def script(request: Request) -> Response:
        if len(backend.asked) > 4:
            msg = "gone"
            raise BackendUnavailable(msg)
        return answer(request)

    backend = Scripted(script)
    outcome = execute(project, store, cells=project.plan(), backend=lambda _: backend)
    assert [run.manifest.cell for run in outcome.runs] == ["gpt@fake"]
    assert (outcome.skipped, [str(failure) for failure in outcome.failures]) == ((), ["gone"])


def test_a_backend_is_closed_however_it_ends(project: Project, store: Store) -> None:
    def raises(_: Request) -> Response:
        msg = "gone"
        raise BackendError(msg)

    def defect(_: Request) -> Response:
        msg = "a defect"
        raise KeyError(msg)

    for script in (answer, raises, defect):
        backend = Scripted(script)
        try:
            execute(project, store, backend=lambda _, made=backend: made, cache=False)  # type: ignore[misc]
        except KeyError:
            assert script is defect
        assert backend.closed


# Warm-up


def test_the_model_is_loaded_before_anything_is_timed(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.next(Reply(delay_s=0.3))
    run = run_of(project, store, jobs=1)
    assert server.chats[0].prompt == "Say OK."
    assert server.chats[0].body["max_tokens"] == 1
    assert run.manifest.cold_start_s is not None
    assert 0.3 <= run.manifest.cold_start_s < 5
    assert all(r.response.latency_s is not None and r.response.latency_s < 0.3 for r in run.results)
    assert store.load(run.manifest.run_id).manifest.cold_start_s == run.manifest.cold_start_s


def test_one_warm_up_serves_all_cells_of_a_backend(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    assert len(execute(project, store, cells=project.plan()).runs) == 2
    assert [asked.prompt for asked in server.chats].count("Say OK.") == 1


def test_nothing_is_warmed_up_where_nothing_has_to_be_asked(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store)
    n = len(server.chats)
    again = run_of(project, store)
    assert len(server.chats) == n
    assert again.manifest.cold_start_s is None


def test_a_server_that_does_not_survive_the_warm_up_is_not_there(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
    served(project, server, retries=1)
    server.answer = lambda _: error(503, "loading model")
    ((name, reason),) = execute(project, store).skipped
    assert (name, "no answer to the warm-up request" in reason, "loading model" in reason) == ("fake", True, True)
    assert len(server.chats) == 2


# The store instead of the model


def test_what_was_asked_before_is_served_from_the_store_and_says_so(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
    served(project, server)
    first = run_of(project, store)
    heard = Heard()
    again = run_of(project, store, heard=heard)
    assert len(server.prompts) == 4
    assert heard.of("started") == [("local@fake", 4, 4)]
    assert again.manifest.run_id != first.manifest.run_id
    for old, new in zip(first.results, again.results, strict=True):
        assert (old.cached, new.cached, new.response) == (False, True, old.response)
        assert new.answered_at == old.answered_at
    assert store.load(again.manifest.run_id) == again


def test_no_cache_asks_again(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store)
    assert not any(result.cached for result in run_of(project, store, cache=False).results)
    assert len(server.prompts) == 8


def test_the_newest_answer_is_the_one_that_is_served(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store)
    server.answer = lambda _: Reply("general")
    run_of(project, store, cache=False)
    assert {result.response.text for result in run_of(project, store).results} == {"general"}


def test_only_what_is_new_is_asked(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store, cells=cells_of(project, limit=2))
    run = run_of(project, store)
    assert [result.cached for result in run.results] == [True, True, False, False]
    assert len(server.prompts) == 4


def test_a_failed_call_is_never_served_from_the_store(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.next(Reply(), error(400))
    assert [r.response.error is None for r in run_of(project, store, jobs=1).results] == [False, True, True, True]
    assert [r.cached for r in run_of(project, store).results] == [False, True, True, True]


def test_with_a_temperature_every_run_is_a_new_draw(project: Project, store: Store, server: FakeOpenAI) -> None:
    project.eval("[sampling]\ntemperature = 0.7\n")
    served(project, server)
    run_of(project, store)
    assert not any(result.cached for result in run_of(project, store).results)
    assert len(server.prompts) == 8


@pytest.mark.parametrize(
    "other",
    [
        {"info": ModelInfo(model="scripted", digest="sha256:2")},
        {"info": ModelInfo(model="another", digest="sha256:1")},
        {"info": ModelInfo(model="scripted", digest="sha256:1", quantization="F16")},
        {"info": ModelInfo(model="scripted", digest="sha256:1", engine_version="2")},
    ],
)
def test_a_model_that_is_not_the_same_does_not_answer_for_this_one(
    project: Project, store: Store, other: dict[str, Any]
) -> None:
    run_of(project, store, backend=lambda _: Scripted(answer))
    assert all(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer)).results)
    assert not any(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer, **other)).results)


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"url": "http://127.0.0.1:10/v1"}, {"max_tokens_parameter": "max_tokens"}]
)
def test_another_model_server_or_option_in_the_configuration_is_another_model(
    project: Project, store: Store, change: dict[str, Any]
) -> None:
    run_of(project, store, backend=lambda _: Scripted(answer))
    project.config(config_of(**change))
    assert not any(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer)).results)


@pytest.mark.parametrize("change", [{"timeout_s": 7.0}, {"concurrency": 3}, {"retries": 1}, {"name": "renamed"}])
def test_a_name_or_a_time_out_changes_nothing_about_the_model(
    project: Project, store: Store, change: dict[str, Any]
) -> None:
    run_of(project, store, backend=lambda _: Scripted(answer))
    project.config(config_of(**change))
    assert all(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer)).results)


def test_a_saved_reply_is_read_by_the_contract_of_today(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.answer = lambda _: Reply("Billing")
    assert not run_of(project, store).results[0].score.strict  # type: ignore[union-attr]
    project.eval("case_sensitive = false\n")
    again = run_of(project, store).results[0]
    assert again.cached
    assert again.score is not None
    assert again.score.strict


# Going on


def interrupted(project: Project, store: Store, n: int = 5) -> str:
    """A run of 20 cases that came as far as `n` answers and ten failures; returns its id."""
    cases(project, 20)
    execute(project, store, backend=lambda _: Scripted(after(n, failed("server", "boom"))))
    return store.manifests()[0].run_id


def test_resume_goes_on_with_the_same_run_and_asks_only_what_is_not_answered(project: Project, store: Store) -> None:
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


def test_without_resume_a_new_run_begins_and_the_old_one_stays_as_it_is(project: Project, store: Store) -> None:
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
def test_a_run_of_something_else_is_not_gone_on_with(project: Project, store: Store, change: str) -> None:
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


def test_resume_without_the_cache_keeps_what_the_run_has_and_asks_for_the_rest(project: Project, store: Store) -> None:
    interrupted(project, store)
    backend = Scripted(answer)
    run_of(project, store, backend=lambda _: backend, resume=True, cache=False)
    assert len(backend.asked) == 15


# Saving


def test_results_are_in_the_store_before_anybody_hears_of_them(
    project: Project, store: Store, server: FakeOpenAI
) -> None:
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


def test_a_full_disk_stops_the_run_with_one_error_and_keeps_what_was_saved(project: Project, store: Store) -> None:
    cases(project, 60)
    pages = [40]

    def limit(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")

    sa.event.listen(store._engine, "checkout", limit)
    with pytest.raises(StoreError, match="the disk is full: make room, then go on with --resume"):
        execute(project, store, backend=lambda _: Slow(lambda _: Response("x" * 4000, latency_s=0.0)))
    pages[0] = 10_000
    kept = len(store.results(store.manifests()[0].run_id))
    assert 0 < kept < 60
    backend = Scripted(answer)
    run = run_of(project, store, backend=lambda _: backend, resume=True)
    assert len(backend.asked) == 60 - kept
    assert len(run.results) == 60


def test_trouble_with_the_store_stops_all_backends_without_a_word_too_many(
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


def test_a_store_that_another_process_holds_stops_the_run_after_a_while(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_S", 0.1)
    store = open_store(project.load().store_url)
    other = sqlite3.connect(project.root / ".harness" / "runs.db", isolation_level=None, check_same_thread=False)

    def hold(_: Request) -> Response:
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")
        return answer(_)

    with pytest.raises(StoreError, match="another process holds it"):
        execute(project, store, backend=lambda _: Scripted(hold))
    other.close()
    store.close()


def test_a_save_that_is_under_way_when_the_run_is_stopped_is_waited_for(project: Project, store: Store) -> None:
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


def test_ctrl_c_saves_what_was_answered_and_leaves_python_as_it_was(project: Project, store: Store) -> None:
    cases(project, 40)

    def script(request: Request) -> Response:
        if len(backend.asked) >= 10:
            signal.raise_signal(signal.SIGINT)  # again and again, as impatient people do
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


def test_who_handles_ctrl_c_already_goes_on_doing_so(project: Project, store: Store) -> None:
    heard: list[int] = []

    def script(request: Request) -> Response:
        signal.raise_signal(signal.SIGINT)
        return answer(request)

    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        run_of(project, store, backend=lambda _: Scripted(script))
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT] * 4


def test_a_run_in_another_thread_than_the_main_one_works(project: Project, store: Store) -> None:
    runs: list[Run] = []
    thread = threading.Thread(target=lambda: runs.append(run_of(project, store, backend=lambda _: Scripted(answer))))
    thread.start()
    thread.join()
    assert len(runs[0].results) == 4


def test_a_defect_in_a_backend_is_not_hidden_and_costs_no_answer(project: Project, store: Store) -> None:
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
    real, later = answering.now, timedelta(hours=hours_later)
    monkeypatch.setattr(answering, "now", lambda offset=timedelta(): real(offset + later))
    again = run_of(project, store, backend=lambda _: Scripted(answer, info=info))
    assert {result.cached for result in again.results} == {still_good}


def test_a_run_that_came_to_nothing_leaves_no_trace_in_the_history(project: Project, store: Store) -> None:
    def broken(_: Request) -> Response:
        return failed("connection", "refused")

    outcome = execute(project, store, backend=lambda _: Scripted(broken, warm_up=True))
    assert outcome.skipped
    assert store.manifests() == []
