"""Replay: a saved run as a backend."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.core.errors import ConfigError, StoreError
from harness.core.types import Constraint, Response, Run, RunOrigin
from harness.project.config import BackendConfig
from harness.store.runs import Store, open_store

from ..support.backend_calls import ask, request
from ..support.project import LOCAL, Project
from ..support.running import cells_of, config_of, execute
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply, closing, error


def said(asked: ReceivedRequest) -> Reply:
    if "refund" in asked.prompt:
        return error(400, "too long")
    return Reply("technical" if "crashes" in asked.prompt else "billing", delay_s=0.01)


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    opened = open_store(project.load().store_url)
    yield opened
    opened.close()


@pytest.fixture
def saved(project: Project, store: Store) -> Run:
    """A saved run with one failed call of four, whose server no longer exists."""
    with closing(FakeOpenAI()) as server:
        server.answer = said
        project.config(config_of(url=server.base_url))
        return execute(project, store).runs[0]


def replay(project: Project, store: Store, run: Run) -> Run:
    run_id = run.manifest.run_id
    config = {"name": f"replay:{run_id}", "provider": "replay", "model": run_id, "variant": "local"}
    backend = BackendConfig.model_validate({**config, "store_url": project.load().store_url})
    cells = [replace(cell, backend=backend) for cell in cells_of(project)]
    return execute(project, store, cells=cells).runs[0]


def test_replay_returns_the_same_results_offline(project: Project, store: Store, saved: Run) -> None:
    again = replay(project, store, saved)
    for old, new in zip(saved.results, again.results, strict=True):
        if old.response.error is None:
            assert (new.response, new.reading, new.score) == (old.response, old.reading, old.score)
    assert [result.cached for result in again.results] == [False] * 4
    assert again.manifest.fingerprint["model"] == saved.manifest.fingerprint["model"]
    assert (saved.manifest.origin, again.manifest.origin) == (RunOrigin.ASKED, RunOrigin.REPLAYED)
    assert again.manifest.notes == (f"replayed from {saved.manifest.run_id}",)


def test_failed_call_is_not_replayed(project: Project, store: Store, saved: Run) -> None:
    errors = {result.case.id: result.response.error for result in replay(project, store, saved).results}
    assert [case_id for case_id, found in errors.items() if found] == ["t-4"]
    assert errors["t-4"] is not None
    assert (errors["t-4"].kind, errors["t-4"].retryable) == ("not_recorded", False)


def test_changed_prompt_has_no_replayed_reply(project: Project, store: Store, saved: Run) -> None:
    project.prompt(local=LOCAL.replace("one word", "one label"))
    again = replay(project, store, saved)
    assert {result.response.error.kind for result in again.results if result.response.error} == {"not_recorded"}
    assert all(result.score is None for result in again.results)


def test_changed_sampling_has_no_replayed_reply(project: Project, store: Store, saved: Run) -> None:
    project.eval("[sampling]\nmax_tokens = 5\n")
    assert all(result.response.error for result in replay(project, store, saved).results)


def test_runs_of_the_same_model_are_not_mixed(project: Project, store: Store, saved: Run) -> None:
    with closing(FakeOpenAI()) as server:
        project.config(config_of(url=server.base_url))
        server.answer = lambda _: Reply("general")
        other = execute(project, store, cache=False).runs[0]
    replay(project, store, saved)
    assert [result.response.text for result in replay(project, store, other).results] == ["general"] * 4


def test_missing_run_is_an_error(project: Project, store: Store, saved: Run) -> None:
    missing = replace(saved, manifest=replace(saved.manifest, run_id="nowhere"))
    with pytest.raises(StoreError, match="no run 'nowhere'"):
        replay(project, store, missing)


def test_vectors_and_tool_calls_are_replayed_unchanged(project: Project, store: Store, saved: Run) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}
    asked = request("refund?")
    wanted = {
        replace(asked, embed=True).key: Response(vector=(math.nan, -math.inf, 0.1)),
        replace(asked, tools=(call,)).key: Response(tool_calls=(call,)),
        replace(asked, constraint=Constraint(choices=("a",))).key: Response(text="a"),
    }
    results = [
        replace(old, request_key=key, response=response)
        for old, (key, response) in zip(saved.results, wanted.items(), strict=False)
    ]
    assert len(results) == len(wanted)
    store.add(replace(saved, manifest=replace(saved.manifest, run_id="with-vectors"), results=tuple(results)))
    config = {"name": "r", "provider": "replay", "model": "with-vectors", "variant": "local"}
    backend = BackendConfig.model_validate({**config, "store_url": project.load().store_url})
    vector, calls, choice, other = ask(
        backend,
        replace(asked, embed=True),
        replace(asked, tools=(call,)),
        replace(asked, constraint=Constraint(choices=("a",))),
        replace(asked, constraint=Constraint(choices=("b",))),
    )
    assert repr(vector.vector) == "(nan, -inf, 0.1)"
    assert calls.tool_calls == (call,)
    assert choice.text == "a"
    assert other.error is not None


def test_a_backend_of_the_project_can_be_a_recording(project: Project, store: Store) -> None:
    from harness import run
    from harness.runner.rendered_prompts import of_runs

    file = project.root / "recorded.jsonl"
    with closing(FakeOpenAI()) as server:
        server.answer = lambda _: Reply("billing")
        project.config(config_of(url=server.base_url))
        run("triage", backend="fake", variant="local", record=file, root=project.root)
    project.config('[backends.old]\nprovider = "replay"\nmodel = "recorded.jsonl"\nvariant = "local"\n')
    (cell,) = run("triage", root=project.root)  # the gpt prompt was not recorded
    assert cell.manifest.cell == "local@old"
    assert cell.manifest.origin is RunOrigin.RECORDED
    assert cell.summary.n_errors == 0
    (saved,) = store.latest("triage")[-1:]
    (prompt,) = of_runs(project.with_store(store), [saved])
    assert [message.role for message in prompt.render(saved.results[0].case)][-1] == "user"


def test_a_replay_table_without_a_recording_is_one_line(project: Project) -> None:
    from harness import run

    project.config('[backends.old]\nprovider = "replay"\nmodel = "run-7"\nvariant = "local"\n')
    with pytest.raises(ConfigError, match=r"\[backends.old\] model = 'run-7'"):
        run("triage", root=project.root)
