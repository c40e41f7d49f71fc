"""The loop: what is asked, how many at once, and what a run carries."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.core.types import Request, Response
from harness.store.runs import Store

from ...support.engine import Slow, answer, run_of, served
from ...support.project import Project
from ...support.running import Heard, Scripted, cases, config_of, execute
from ...support.servers import FakeOpenAI, Reply

# A run


def test_every_case_is_sent_once_read_scored_and_saved(project: Project, store: Store, server: FakeOpenAI) -> None:
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


def test_run_has_a_complete_fingerprint(project: Project, store: Store, server: FakeOpenAI) -> None:
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


def test_cells_of_a_backend_run_in_planned_order(project: Project, store: Store) -> None:
    project.config(config_of("b") + config_of("a"))
    cells = project.plan()
    heard = Heard()
    outcome = execute(project, store, cells=cells, heard=heard, backend=lambda _: Scripted(answer))
    assert [run.manifest.cell for run in outcome.runs] == [cell.name for cell in cells]
    started = [name for name, _, _ in heard.of("started")]
    for backend in "ab":
        assert [name for name in started if name.endswith(backend)] == [f"gpt@{backend}", f"local@{backend}"]


def test_one_job_sends_in_the_order_of_the_dataset(project: Project, store: Store, server: FakeOpenAI) -> None:
    cases(project, 12)
    served(project, server)
    run_of(project, store, jobs=1)
    assert [p.split("\n")[0] for p in server.prompts] == [f"Ticket: ticket {i}" for i in range(12)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_concurrency_never_exceeds_jobs(project: Project, store: Store, server: FakeOpenAI, jobs: int) -> None:
    cases(project, 12)
    served(project, server, concurrency=9)
    server.answer = lambda _: Reply(delay_s=0.03)
    run_of(project, store, jobs=jobs)
    assert server.most_at_once == jobs


def test_concurrency_defaults_to_the_backend_setting(project: Project, store: Store, server: FakeOpenAI) -> None:
    cases(project, 12)
    served(project, server, concurrency=2)
    server.answer = lambda _: Reply(delay_s=0.03)
    run_of(project, store)
    assert server.most_at_once == 2


def test_embedded_concurrency_is_limited_by_its_slots(project: Project, store: Store) -> None:
    cases(project, 40)
    assert busiest(project, store, exclusive=True, slots=2, jobs=6) == 2
    assert busiest(project, store, exclusive=True, slots=2, jobs=1) == 1
    assert busiest(project, store, exclusive=False, slots=2, jobs=6) == 6


def busiest(project: Project, store: Store, *, exclusive: bool, slots: int, jobs: int) -> int:
    backend = Slow(exclusive=exclusive, concurrency=slots)
    run_of(project, store, backend=lambda _: backend, jobs=jobs, cache=False)
    return backend.most_at_once


def test_embedded_engines_run_one_at_a_time(project: Project, store: Store) -> None:
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
