"""One thing is changed in a project and run again: the comparison names that thing, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.analysis.compare import ComparisonQuestion, Verdict, compare, outcomes_of
from harness.core.types import ModelInfo, Response, Run
from harness.store.runs import Store, open_store

from ...support.project import LOCAL, Project
from ...support.running import Scripted, execute

MODEL = ModelInfo(model="fake-model", digest="sha256:1", quantization="Q8_0", engine="fake", engine_version="1")
FEW_SHOT = "{% user %}Ticket: I was charged{% enduser %}{% assistant %}billing{% endassistant %}"
MORE_SHOTS = "{% user %}Ticket: It crashed{% enduser %}{% assistant %}technical{% endassistant %}"


@pytest.fixture
def store() -> Iterator[Store]:
    """A store that is gone afterwards."""
    opened = open_store("sqlite:///:memory:")
    yield opened
    opened.close()


def ran(project: Project, store: Store, info: ModelInfo = MODEL) -> Run:
    """One run of the project's local prompt on a fake model that says always the same."""
    model = Scripted(lambda _: Response("billing", model=info.digest), info=info)
    (run,) = execute(project, store, backend=lambda _: model).runs
    return run


def changed(before: Run, after: Run) -> tuple[Verdict, list[str]]:
    """The verdict, and what has changed by name."""
    found = compare(outcomes_of(before), outcomes_of(after), ComparisonQuestion("change"))
    return found.verdict, [change.what for change in found.changed]


def test_no_change_is_named_for_equal_runs(project: Project, store: Store) -> None:
    assert changed(ran(project, store), ran(project, store))[1] == []


def test_changed_few_shot_example_is_named(project: Project, store: Store) -> None:
    project.prompt(local=FEW_SHOT + LOCAL)
    before = ran(project, store)
    project.prompt(local=MORE_SHOTS + LOCAL)
    assert changed(before, ran(project, store))[1] == ["prompt"]


@pytest.mark.parametrize("more", [{"digest": "sha256:2"}, {"digest": "sha256:2", "quantization": "Q2_K"}])
def test_changed_model_file_is_named(project: Project, store: Store, more: dict[str, str]) -> None:
    assert changed(ran(project, store), ran(project, store, replace(MODEL, **more)))[1] == ["model"]


def test_changed_engine_is_named(project: Project, store: Store) -> None:
    assert changed(ran(project, store), ran(project, store, replace(MODEL, engine_version="2")))[1] == ["engine"]


def test_changed_contract_is_named(project: Project, store: Store) -> None:
    before = ran(project, store)
    project.eval("case_sensitive = false\n")
    assert changed(before, ran(project, store)) == (Verdict.INCOMPARABLE, ["contract"])


def test_changed_case_is_named(project: Project, store: Store) -> None:
    before = ran(project, store)
    rows = project.root / "datasets" / "tickets" / "cases.jsonl"
    rows.write_text(rows.read_text().replace("charged twice", "charged three times"))
    assert changed(before, ran(project, store)) == (Verdict.INCOMPARABLE, ["dataset"])


def test_changed_sampling_is_named(project: Project, store: Store) -> None:
    before = ran(project, store)
    project.eval("[sampling]\nseed = 7\n")
    assert changed(before, ran(project, store))[1] == ["sampling"]
