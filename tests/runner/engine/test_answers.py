"""Earlier answers instead of the model: which are as good as new ones."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.types import ModelInfo
from harness.store.runs import Store

from ...support.engine import answer, run_of, served
from ...support.project import Project
from ...support.running import Heard, Scripted, cells_of, config_of
from ...support.servers import FakeOpenAI, Reply, error

# The store instead of the model


def test_cached_result_comes_from_the_store_and_is_marked(project: Project, store: Store, server: FakeOpenAI) -> None:
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


def test_no_cache_sends_every_request_again(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store)
    assert not any(result.cached for result in run_of(project, store, cache=False).results)
    assert len(server.prompts) == 8


def test_cache_serves_the_newest_reply(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    run_of(project, store)
    server.answer = lambda _: Reply("general")
    run_of(project, store, cache=False)
    assert {result.response.text for result in run_of(project, store).results} == {"general"}


def test_only_uncached_cases_are_sent(project: Project, store: Store, server: FakeOpenAI) -> None:
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


def test_temperature_above_zero_bypasses_the_cache(project: Project, store: Store, server: FakeOpenAI) -> None:
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
def test_cache_is_not_shared_between_models(project: Project, store: Store, other: dict[str, Any]) -> None:
    run_of(project, store, backend=lambda _: Scripted(answer))
    assert all(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer)).results)
    assert not any(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer, **other)).results)


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"url": "http://127.0.0.1:10/v1"}, {"max_tokens_parameter": "max_tokens"}]
)
def test_model_url_and_options_are_part_of_the_cache_key(
    project: Project, store: Store, change: dict[str, Any]
) -> None:
    run_of(project, store, backend=lambda _: Scripted(answer))
    project.config(config_of(**change))
    assert not any(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer)).results)


@pytest.mark.parametrize("change", [{"timeout_s": 7.0}, {"concurrency": 3}, {"retries": 1}, {"name": "renamed"}])
def test_name_and_timeout_are_no_part_of_the_cache_key(project: Project, store: Store, change: dict[str, Any]) -> None:
    run_of(project, store, backend=lambda _: Scripted(answer))
    project.config(config_of(**change))
    assert all(r.cached for r in run_of(project, store, backend=lambda _: Scripted(answer)).results)


def test_cached_reply_is_read_by_the_current_contract(project: Project, store: Store, server: FakeOpenAI) -> None:
    served(project, server)
    server.answer = lambda _: Reply("Billing")
    assert not run_of(project, store).results[0].score.strict  # type: ignore[union-attr]
    project.eval("case_sensitive = false\n")
    again = run_of(project, store).results[0]
    assert again.cached
    assert again.score is not None
    assert again.score.strict
