"""The moderation task: right replies, options, reports, and the golden dataset."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.metrics.moderation import LOOK_ALIKE
from harness.core.errors import ConfigError
from harness.core.types import Case, Constraint, FieldCounts, Response, Score
from harness.project import datasets, evals
from harness.project.prompts import PromptLibrary
from harness.tasks import Task, read_and_score, task_of

from ..support.cli import Terminal
from ..support.project import CONFIG, Project, row
from ..support.servers import FakeOpenAI, Reply

ROOT = Path(__file__).resolve().parents[2]
EVAL = """\
task = "moderation"
prompt = "comments"
dataset = "comments"
categories = ["hate", "threat", "spam"]
"""
SCORES = 'reply = "scores"\n'
ROWS = (
    row("c-1", "Buy cheap chairs", "spam"),
    row("c-2", "People from there are thieves", "hate"),
    row("c-3", "<b>kill</b> the process", "ok", tags=["look_alike"]),
    row("c-4", "They should all be hit", ["hate", "threat"]),
)
RIGHT, MISSED, INVENTED, NOTHING = FieldCounts(1), FieldCounts(missed=1), FieldCounts(invented=1), FieldCounts()


@pytest.fixture
def comments(project: Project) -> Project:
    """A project with only a moderation eval of four comments."""
    (project.root / "evals/triage.toml").unlink()
    project.eval(name="comments", text=EVAL)
    prompt = "{{ categories | join(', ') }} or {{ benign }}: {{ text }}"
    project.prompt(name="comments", gpt=prompt, local=prompt)
    project.card(name="comments")
    project.cases(ROWS, name="comments")
    return project


def task(project: Project, extra: str = "") -> Task:
    project.eval(extra, name="comments", text=EVAL)
    return task_of(project.definition("comments"))


def scored(task: Task, expected: Any, reply: str) -> Score:
    _, score = read_and_score(task, Case("c", {"text": "x"}, expected), Response(reply))
    assert score is not None
    return score


def strictly(score: Score) -> dict[str, FieldCounts]:
    """Return the counts of the strict reading, without unaffected categories."""
    return {name: strict for name, (strict, _) in score.fields.items() if strict != NOTHING}


def scores(**given: float) -> str:
    return json.dumps({"hate": 0, "threat": 0, "spam": 0, **given})


@pytest.mark.parametrize(
    ("expected", "reply", "right", "counted"),
    [
        ("spam", "spam", True, {"spam": RIGHT}),
        ("spam", "hate", False, {"spam": MISSED, "hate": INVENTED}),
        ("spam", "ok", False, {"spam": MISSED}),
        ("spam", "perhaps", False, {"spam": MISSED}),
        ("ok", "ok", True, {}),
        ("ok", "spam", False, {"spam": INVENTED}),
        ("ok", "perhaps", False, {}),
        # two categories: either is right and counts; if neither is named, the main category is missed
        (["hate", "threat"], "hate", True, {"hate": RIGHT}),
        (["hate", "threat"], "threat", True, {"threat": RIGHT}),
        (["hate", "threat"], "ok", False, {"hate": MISSED}),
        (["hate", "threat"], "spam", False, {"hate": MISSED, "spam": INVENTED}),
    ],
)
def test_a_label_names_one_category(
    comments: Project, expected: Any, reply: str, right: bool, counted: dict[str, FieldCounts]
) -> None:
    score = scored(task(comments), expected, reply)
    assert score.strict is right
    assert strictly(score) == counted


def test_a_label_in_a_sentence_flags_leniently_only(comments: Project) -> None:
    score = scored(task(comments), "spam", "The category is: spam")
    assert (score.strict, score.lenient) == (False, True)
    assert score.fields["spam"] == (MISSED, RIGHT)


@pytest.mark.parametrize(
    ("expected", "reply", "right", "counted"),
    [
        ("spam", scores(spam=0.5), True, {"spam": RIGHT}),
        ("spam", scores(spam=0.49), False, {"spam": MISSED}),
        ("spam", scores(spam=1, hate=0.9), False, {"spam": RIGHT, "hate": INVENTED}),
        ("ok", scores(spam=0.4), True, {}),
        ("ok", scores(threat=0.8), False, {"threat": INVENTED}),
        (["hate", "threat"], scores(hate=0.7, threat=0.6), True, {"hate": RIGHT, "threat": RIGHT}),
        (["hate", "threat"], scores(hate=0.7), False, {"hate": RIGHT, "threat": MISSED}),
        ("ok", "ok", False, {}),
        ("spam", scores(spam=1.5), False, {"spam": MISSED}),
    ],
)
def test_scores_flag_every_category_from_the_threshold_on(
    comments: Project, expected: Any, reply: str, right: bool, counted: dict[str, FieldCounts]
) -> None:
    score = scored(task(comments, SCORES), expected, reply)
    assert score.strict is right
    assert strictly(score) == counted


def test_category_can_have_a_threshold(comments: Project) -> None:
    cautious = task(comments, SCORES + "threshold = 0.2\n")
    assert scored(cautious, "spam", scores(spam=0.2)).strict
    assert not scored(cautious, "ok", scores(spam=0.2)).strict


def test_prompt_has_the_categories_and_the_benign_label(comments: Project) -> None:
    known = task(comments, 'benign = "fine"\n')
    variables = known.variables(Case("c", {"text": "x", "benign": "evil"}, "fine"))
    assert variables == {"text": "x", "categories": ["hate", "threat", "spam"], "benign": "fine"}
    assert known.labels == ("hate", "threat", "spam", "fine")


def test_request_has_the_labels_or_the_schema(comments: Project) -> None:
    assert task(comments).constraint == Constraint(choices=("hate", "threat", "spam", "ok"))
    constraint = task(comments, SCORES).constraint
    assert constraint is not None
    assert constraint.schema is not None
    assert constraint.schema["required"] == ["hate", "threat", "spam"]


@pytest.mark.parametrize(
    ("expected", "complaint"),
    [
        ("ok", None),
        ("spam", None),
        (["spam"], None),
        (["spam", "hate"], None),
        ("spma", "expected 'spma' is not among the categories (did you mean 'spam'?)"),
        (["spam", "ok"], "expected 'ok' is not among the categories (there are: hate, spam, threat)"),
        (["spam", "spam"], "expected ['spam', 'spam'] is not a list of different categories"),
        ([], "expected [] is not a list of different categories"),
    ],
)
def test_expected_value_is_the_benign_label_or_categories(
    comments: Project, expected: Any, complaint: str | None
) -> None:
    assert task(comments).check(Case("c", {"text": "x"}, expected)) == complaint


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('benign = "spam"\n', "cannot be distinguished"),
        ('benign = ""\n', "benign"),
        ("threshold = 0.4\n", "has no effect if reply is 'label'"),
        (SCORES + "threshold = 0\n", "threshold"),
        (SCORES + "case_sensitive = false\n", "has no effect if reply is 'scores'"),
        ('benign = "SPAM"\ncase_sensitive = false\n', "cannot be distinguished"),
        ('[synonyms]\nads = "advertising"\n', "not one of the labels"),
        ('reply = "number"\n', "reply"),
    ],
)
def test_unusable_option_is_named(comments: Project, extra: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        task(comments, extra)
    assert said in str(error.value)
    assert "evals/comments.toml" in str(error.value)


@pytest.mark.parametrize("extra", ["", SCORES])
def test_a_run_is_reported_by_category_and_look_alike(
    harness: Terminal, comments: Project, server: FakeOpenAI, extra: str
) -> None:
    comments.eval(extra, name="comments", text=EVAL)
    comments.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url))
    server.answer = lambda asked: Reply(scores(threat=0.9) if extra else "threat" if "kill" in asked.prompt else "ok")
    ended = harness("run", "-o", "r.html", "-o", "r.jsonl", "-o", "r.csv", "-o", "r.json", "-o", "r.md")
    assert ended.code == 0, ended.err
    page = (comments.root / "r.html").read_text()
    assert ">Moderation</h" in page
    assert "Look-alikes that were flagged" in page
    assert "<b>kill</b>" not in page
    assert ("average precision" in page) is bool(extra)


@pytest.fixture(scope="module")
def golden() -> datasets.Dataset:
    """The golden dataset of moderation."""
    return datasets.load(ROOT, "comment_moderation")


def kind(case: Case) -> str:
    return case.expected if isinstance(case.expected, str) else str(case.expected[0])


@pytest.mark.parametrize("split", ["dev", "test"])
def test_each_split_has_all_categories_and_look_alikes(golden: datasets.Dataset, split: str) -> None:
    cases = golden.select(split)
    counted = Counter(kind(case) for case in cases)
    options = evals.load(ROOT / "evals/comment_moderation.toml").options
    assert counted.keys() == {*options["categories"], options["benign"]}
    assert min(counted.values()) >= 4
    assert 0.4 <= counted["ok"] / len(cases) <= 0.5
    assert 4 * sum(LOOK_ALIKE in case.tags for case in cases) >= len(cases)
    assert any("borderline" in case.tags for case in cases)


def test_golden_dataset_is_large_and_look_alikes_benign(golden: datasets.Dataset) -> None:
    alike = [case for case in golden.cases if LOOK_ALIKE in case.tags]
    assert (len(golden.cases), len(alike)) >= (200, 40)
    assert {case.expected for case in alike} == {"ok"}
    assert len({case.inputs["text"].casefold() for case in golden.cases}) == len(golden.cases)


def test_computed_tags_match_the_card(golden: datasets.Dataset) -> None:
    for case in golden.cases:
        words = len(case.inputs["text"].split())
        assert ("short" in case.tags, "long" in case.tags) == (words <= 8, words >= 30), case.id
        assert ("several" in case.tags) is isinstance(case.expected, list), case.id


def test_no_few_shot_example_is_a_comment_of_the_dataset(golden: datasets.Dataset) -> None:
    for variant in PromptLibrary(ROOT / "prompts").load("comment_moderation").variants.values():
        found = [
            case.id for case in golden.cases if len(case.inputs["text"]) > 25 and case.inputs["text"] in variant.source
        ]
        assert found == []
