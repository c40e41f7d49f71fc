"""What is repeated, what is given up, and who is skipped, whatever a server does."""

from __future__ import annotations

import asyncio
import time

import pytest

from harness.backends.http.errors import failed
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.types import Request, Response
from harness.store.runs import Store

from ...support.engine import after, answer, run_of, saved, served
from ...support.project import Project
from ...support.running import Heard, Scripted, cases, config_of, execute
from ...support.servers import Asked, FakeOpenAI, Reply, closing, error

# Trouble with a call


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failed_call_is_retried_until_it_succeeds(
    project: Project, store: Store, server: FakeOpenAI, status: int
) -> None:
    served(project, server, retries=4)
    server.next(Reply("billing"), error(status), error(status), Reply("general"))  # the first one is the warm-up's
    run = run_of(project, store, jobs=1)
    assert run.results[0].response.text == "general"
    assert [result.attempts for result in run.results] == [3, 1, 1, 1]


def test_call_fails_after_all_retries_and_is_not_scored(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server, retries=2)
    server.answer = lambda asked: error(500, "boom") if "crashes" in asked.prompt else Reply("billing")
    run = run_of(project, store)
    bad = run.results[1]
    assert bad.response.error is not None
    assert (bad.response.error.kind, bad.response.error.status, bad.attempts) == ("server", 500, 3)
    assert (bad.reading, bad.score) == (None, None)
    assert sum("crashes" in prompt for prompt in server.prompts) == 3
    assert saved(store, run) == list(run.results)


def test_rejected_request_is_not_retried(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server, retries=4)
    server.answer = lambda asked: error(400, "too long") if "crashes" in asked.prompt else Reply("billing")
    run = run_of(project, store)
    assert [result.attempts for result in run.results] == [1, 1, 1, 1]
    assert sum("crashes" in prompt for prompt in server.prompts) == 1


@pytest.mark.parametrize(
    "trouble", [Reply(drop=True), Reply(body=b"<html>"), Reply(json={"choices": []}), Reply(delay_s=0.5)]
)
def test_transient_failures_are_retried(project: Project, store: Store, server: FakeOpenAI, trouble: Reply) -> None:
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
def test_retry_after_header_is_honoured(
    project: Project, store: Store, server: FakeOpenAI, headers: dict[str, str]
) -> None:
    served(project, server, retries=1)
    at: list[float] = []

    def said(_: Asked) -> Reply:
        at.append(time.monotonic())
        return error(429, **headers) if len(at) == 2 else Reply()

    server.answer = said
    run_of(project, store, jobs=1)
    assert at[2] - at[1] >= 0.2


def test_retry_after_of_a_day_stops_the_run(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.next(Reply(), error(429, Retry_After="86400"))
    (failure,) = execute(project, store, jobs=1).failures
    assert "asks to wait 24 hours" in str(failure)
    assert "--resume" in str(failure)


def test_waits_are_not_counted_as_latency(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server, retries=1)
    server.next(Reply(), error(429, Retry_After="0.4"))
    started = time.monotonic()
    latency = run_of(project, store, jobs=1).results[0].response.latency_s
    assert latency is not None
    assert latency <= time.monotonic() - started - 0.4


# Trouble with a backend


def test_run_stops_after_ten_failures_and_saves_results(project: Project, store: Store) -> None:
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


@pytest.mark.parametrize(("named", "skipped"), [((), 1), (("fake",), 0)])
def test_unavailable_backend_is_skipped_unless_named(
    project: Project, store: Store, named: tuple[str, ...], skipped: int
) -> None:
    heard = Heard()
    outcome = execute(project, store, heard=heard, named=named)  # nobody listens on port 9
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


def test_rejected_key_stops_the_run_and_keeps_results(project: Project, store: Store, server: FakeOpenAI) -> None:
    cases(project, 20)
    served(project, server)
    server.next(*[Reply()] * 6)
    server.answer = lambda _: error(401)
    outcome = execute(project, store, jobs=1)
    assert "refuses the key" in str(outcome.failures[0])
    assert len(store.results(store.manifests()[0].run_id)) == 5
    assert len(server.chats) == 7


def test_backend_lost_after_a_finished_cell_is_a_failure(project: Project, store: Store) -> None:
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
    started = time.monotonic()
    run = run_of(project, store, jobs=1)
    took = time.monotonic() - started
    assert server.chats[0].prompt == "Say OK."
    assert server.chats[0].body["max_tokens"] == 1
    assert run.manifest.cold_start_s is not None
    assert run.manifest.cold_start_s >= 0.3
    assert sum(r.response.latency_s or 0.0 for r in run.results) <= took - 0.3
    assert store.load(run.manifest.run_id).manifest.cold_start_s == run.manifest.cold_start_s


def test_one_warm_up_serves_all_cells_of_a_backend(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    assert len(execute(project, store, cells=project.plan()).runs) == 2
    assert [asked.prompt for asked in server.chats].count("Say OK.") == 1


def test_fully_cached_run_needs_no_warm_up(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store)
    n = len(server.chats)
    again = run_of(project, store)
    assert len(server.chats) == n
    assert again.manifest.cold_start_s is None


def test_failed_warm_up_makes_the_backend_unavailable(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server, retries=1)
    server.answer = lambda _: error(503, "loading model")
    ((name, reason),) = execute(project, store).skipped
    assert (name, "no answer to the warm-up request" in reason, "loading model" in reason) == ("fake", True, True)
    assert len(server.chats) == 2
