"""Two models that run until their comparison is decided: order, batches, and what ends both."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from harness.backends import Backend
from harness.core.errors import Interrupted
from harness.core.types import Case, Request, Response
from harness.project.config import BackendConfig
from harness.project.run_options import RunOptions
from harness.runner import execution
from harness.runner.pair_plan import ends_of, plan_pair, random_order
from harness.runner.until_decided import DecidedRun, execute
from harness.store.runs import Store, open_store

from ..support.engine import answer
from ..support.project import LOCAL, Project, row
from ..support.running import RecordedEvents, Scripted, config_of

Connect = Callable[[Callable[[BackendConfig], Backend]], None]


def case(number: int, cluster: str = "", text: str = "") -> Case:
    return Case(
        f"c-{number:03}", {"text": text or f"ticket {number}"}, "billing", digest=f"{number:064x}", cluster=cluster
    )


CASES = [case(i) for i in range(60)]


class TestOrder:
    """The order of the cases, and the numbers of cases after which a run looks."""

    def test_order_depends_on_content_and_split_only(self) -> None:
        order = [c.id for c in random_order(CASES, "test")]
        assert order == [c.id for c in random_order(CASES[::-1], "test")]
        assert order != [c.id for c in random_order(CASES, "dev")]
        assert order != [c.id for c in random_order(CASES[1:], "test")]
        assert sorted(order) == [c.id for c in CASES]
        assert order != sorted(order)

    def test_cases_without_an_expected_answer_are_last(self) -> None:
        order = random_order([replace(CASES[0], expected=None), *CASES[1:]], "test")
        assert order[-1].id == "c-000"

    def test_clusters_stay_together_and_are_never_split(self) -> None:
        cases = [case(i, cluster=f"customer {i // 7}") for i in range(100)]
        order = random_order(cases, "test")
        ends = ends_of(order)
        assert ends[-1] == 100
        for end in ends[:-1]:
            assert order[end - 1].cluster != order[end].cluster
        seen = [c.cluster for c in order]
        assert sum(a != b for a, b in itertools.pairwise(seen)) == len(set(seen)) - 1

    def test_equal_inputs_are_one_cluster(self) -> None:
        order = random_order([case(i, text=f"ticket {i % 30}") for i in range(60)], "test")
        assert all(order[i].inputs == order[i + 1].inputs for i in range(0, 60, 2))
        assert all(end % 2 == 0 for end in ends_of(order))


@pytest.fixture
def store(pair: Project) -> Iterator[Store]:
    opened = open_store(pair.load().store_url)
    yield opened
    opened.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Replace the backends."""

    def use(backend: Callable[[BackendConfig], Backend]) -> None:
        monkeypatch.setattr(execution.backends, "connect", lambda config, _progress: backend(config))

    return use


@pytest.fixture
def pair(project: Project) -> Project:
    """A pair of backends and 80 cases."""
    big, small = config_of("big").replace('"local"', '"gpt"').replace("'local'", "'gpt'"), config_of("small")
    project.config(f'{big}{small}[pair]\nreference = "big"\ncandidate = "small"\n')
    project.eval("[gates]\nmargin = 0.15\n")
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(80)])
    return project


def run(pair: Project, store: Store, heard: RecordedEvents | None = None, *, resume: bool = False) -> DecidedRun:
    opened = pair.with_store(store)
    options = RunOptions(resume=resume, cache=False)
    return execute(opened, plan_pair(opened, ["triage"], options), options, heard or RecordedEvents())


def test_two_embedded_models_take_turns(pair: Project, store: Store, connect: Connect) -> None:
    """Only one embedded engine may work at a time, and neither may wait for the other while it holds the machine."""
    connect(lambda _: Scripted(answer, exclusive=True))
    ended = asyncio.run(asyncio.wait_for(asyncio.to_thread(run, pair, store), 20))
    assert ended.comparison is not None
    assert ended.comparison.verdict == "MOVE"
    assert (ended.n_cases, ended.total, ended.calls_saved) == (40, 80, 80)
    assert ended.usd_saved == 0.0


def test_interrupted_runs_resume_with_the_same_cases(pair: Project, store: Store, connect: Connect) -> None:
    asked: list[Request] = []

    def script(request: Request) -> Response:
        asked.append(request)
        return answer(request)

    connect(lambda _: Scripted(script))

    def interrupt(_: object) -> None:
        if len(asked) > 50:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(pair, store, RecordedEvents(on_answer=interrupt))
    assert {m.finished_at for m in store.manifests()} == {None}
    ended = run(pair, store, resume=True)
    assert ended.n_cases == 40
    assert len(store.manifests()) == 2
    assert len({(r.messages, r.repeat) for r in asked}) == len(asked) == 80


def test_stopped_runs_count_as_candidates(pair: Project, store: Store, connect: Connect) -> None:
    """The best of many prompts looks better than it is, however early each was stopped."""
    connect(lambda _: Scripted(answer))
    first = run(pair, store)
    pair.prompt(local=LOCAL.replace("Answer", "Reply"), version="v2")
    second = run(pair, store)
    assert first.comparison is not None
    assert second.comparison is not None
    assert (first.comparison.question.candidates, second.comparison.question.candidates) == (1, 2)
