"""Task kinds: found by file name, and what classification makes of a case and a reading."""

from __future__ import annotations

import pytest

from harness.core.types import Case, Reading, Response, Sampling, Score
from harness.runner.plan import contract_digest
from harness.tasks import Task, kinds, task_of

from ..support.project import LABELS, Project


@pytest.fixture
def task(project: Project) -> Task:
    """Classification by the three labels."""
    return task_of(project.definition())


def test_a_kind_is_a_file_of_the_folder() -> None:
    assert "classification" in kinds()
    assert not [kind for kind in kinds() if kind.startswith("_")]


def test_the_prompt_is_given_the_inputs_and_the_labels(task: Task) -> None:
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
def test_what_a_case_expects_must_be_a_label(task: Task, expected: object, complaint: str | None) -> None:
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
def test_right_is_the_label_that_is_expected(task: Task, strict: str | None, lenient: str | None, score: Score) -> None:
    reading = Reading(strict, lenient, strict is not None)
    assert task.score(reading, Case("c", {"text": "x"}, "billing")) == score


def test_a_chatty_model_gets_room_to_show_it_and_no_more(task: Task) -> None:
    assert task.sampling == Sampling(temperature=0.0, max_tokens=32)


def test_the_settings_of_the_eval_reach_the_contract(project: Project) -> None:
    project.eval('case_sensitive = false\nsynonyms = { money = "billing" }\n')
    task = task_of(project.definition())
    assert task.contract.read(Response(text="BILLING")).strict == "billing"
    assert task.contract.read(Response(text="money")).lenient == "billing"


def test_two_contracts_with_the_same_settings_have_the_same_digest(project: Project) -> None:
    project.eval('synonyms = { money = "billing", bug = "technical" }\n')
    first = contract_digest(task_of(project.definition()).contract)
    project.eval('synonyms = { bug = "technical", money = "billing" }\n')
    assert contract_digest(task_of(project.definition()).contract) == first
