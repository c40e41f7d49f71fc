"""Task kinds are file names; classification prepares cases and scores readings."""

from __future__ import annotations

import pytest

from harness.core.types import Case, Reading, Response, Sampling, Score
from harness.runner.plan import contract_digest
from harness.tasks import Task, kinds, task_of

from ..support.project import LABELS, Project


@pytest.fixture
def task(project: Project) -> Task:
    """A classification task with three labels."""
    return task_of(project.definition())


def test_task_kinds_are_file_names() -> None:
    assert "classification" in kinds()
    assert not [kind for kind in kinds() if kind.startswith("_")]


def test_prompt_variables_are_inputs_and_labels(task: Task) -> None:
    assert task.variables(Case("c", {"text": "x", "lang": "en"}, "billing")) == {
        "text": "x",
        "lang": "en",
        "labels": list(LABELS),
    }


def test_no_input_replaces_the_labels(task: Task) -> None:
    assert task.variables(Case("c", {"labels": ["evil"]}, "billing"))["labels"] == list(LABELS)


@pytest.mark.parametrize(
    ("expected", "complaint"),
    [
        ("billing", None),
        ("biling", "expected 'biling' is not among the labels (did you mean 'billing'?)"),
        ("Billing", "expected 'Billing' is not among the labels (did you mean 'billing'?)"),
        (3, "expected 3 is not among the labels (there are: billing, general, technical)"),
        (["billing"], "expected ['billing'] is not among the labels (did you mean 'billing'?)"),
    ],
)
def test_expected_answer_must_be_a_label(task: Task, expected: object, complaint: str | None) -> None:
    assert task.check(Case("c", {"text": "x"}, expected)) == complaint


@pytest.mark.parametrize(
    ("strict", "lenient", "score"),
    [
        ("billing", "billing", Score(strict=True, lenient=True)),
        (None, "billing", Score(strict=False, lenient=True)),
        ("general", "general", Score(strict=False, lenient=False)),
        (None, None, Score(strict=False, lenient=False)),
    ],
)
def test_expected_label_is_right(task: Task, strict: str | None, lenient: str | None, score: Score) -> None:
    reading = Reading(strict, lenient, strict is not None)
    assert task.score(reading, Case("c", {"text": "x"}, "billing")) == score


def test_default_max_tokens_of_classification_is_32(task: Task) -> None:
    assert task.sampling == Sampling(temperature=0.0, max_tokens=32)


def test_eval_settings_reach_the_contract(project: Project) -> None:
    project.eval('case_sensitive = false\nsynonyms = { money = "billing" }\n')
    task = task_of(project.definition())
    assert task.contract.read(Response(text="BILLING")).strict == "billing"
    assert task.contract.read(Response(text="money")).lenient == "billing"


def test_equal_contracts_have_equal_digests(project: Project) -> None:
    project.eval('synonyms = { money = "billing", bug = "technical" }\n')
    first = contract_digest(task_of(project.definition()).contract)
    project.eval('synonyms = { bug = "technical", money = "billing" }\n')
    assert contract_digest(task_of(project.definition()).contract) == first
