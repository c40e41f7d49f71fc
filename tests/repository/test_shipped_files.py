"""The prompts, golden datasets, evals and `harness.toml` of this repository are fit for use."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness import backends
from harness.project import config, datasets, evals
from harness.project.config import Config
from harness.project.datasets import Dataset
from harness.project.prompts import PromptLibrary
from harness.project.run_options import RunOptions
from harness.runner.plan import plan

ROOT = Path(__file__).resolve().parents[2]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


@pytest.fixture(scope="module")
def project() -> Config:
    """This repository."""
    return config.load(ROOT)


@pytest.fixture(scope="module")
def tickets() -> Dataset:
    """The first golden dataset."""
    return datasets.load(ROOT, "ticket_triage")


def test_every_backend_is_one_that_there_is(project: Config) -> None:
    backends.check(project)
    assert project.pair is not None


def test_every_prompt_loads_and_is_as_it_was_released() -> None:
    library = PromptLibrary(ROOT / "prompts")
    versions = [f"{name}/{version}" for name in library.names() for version in library.versions(name)]
    assert [library.load(version).id for version in versions] == versions
    assert library.locked().keys() <= set(versions)


def test_every_dataset_loads() -> None:
    names = datasets.names(ROOT)
    assert [datasets.load(ROOT, name).name for name in names] == names


def test_every_eval_plans_all_backends_and_prompt_versions(project: Config) -> None:
    for definition in evals.find(ROOT):
        name = definition.prompt.split("/")[0]
        service = "embeddings" if definition.task == "embedding" else "chat"
        able = [backend for backend in project.backends.values() if service in backend.serves]
        for version in PromptLibrary(ROOT / "prompts").versions(name):
            for split in (None, "all"):
                selection = RunOptions(version=version, split=split, every_backend=True)
                cells = plan(ROOT, [definition], able, selection)
                assert len(cells) >= 2 * len(able) >= 2


def test_ticket_triage_is_large_balanced_and_hard_enough(tickets: Dataset) -> None:
    labels = Counter(case.expected for case in tickets.cases)
    assert labels.keys() == {"billing", "technical", "general"}
    assert labels.total() >= 300
    assert max(labels.values()) <= 1.2 * min(labels.values())
    assert sum("hard" in case.tags for case in tickets.cases) >= 40


@pytest.mark.parametrize("split", ["dev", "test"])
def test_ticket_triage_splits_are_balanced_with_hard_cases(tickets: Dataset, split: str) -> None:
    cases = tickets.select(split)
    labels = Counter(case.expected for case in cases)
    assert max(labels.values()) <= 1.2 * min(labels.values())
    assert any("hard" in case.tags for case in cases)


def test_no_ticket_is_in_both_splits_or_there_twice(tickets: Dataset) -> None:
    assert set(tickets.splits) == {"dev", "test"}
    texts = Counter(_plain(case.inputs["text"]) for case in tickets.cases)
    assert [text for text, count in texts.items() if count > 1] == []


def test_ticket_triage_documents_its_labels_and_tags(tickets: Dataset) -> None:
    assert tickets.card.licence
    assert len(tickets.card.guidelines) > 1000
    assert tickets.card.provenance
    assert {tag for case in tickets.cases for tag in case.tags} <= tickets.card.tags.keys()


def test_no_few_shot_example_is_a_ticket_of_the_test_split(tickets: Dataset) -> None:
    library = PromptLibrary(ROOT / "prompts")
    texts = {case.id: _plain(case.inputs["text"]) for case in tickets.select("test")}
    for version in library.versions("ticket_triage"):
        for variant in library.load("ticket_triage", version=version).variants.values():
            source = _plain(variant.source)
            assert [case_id for case_id, text in texts.items() if len(text) > 25 and text in source] == []
