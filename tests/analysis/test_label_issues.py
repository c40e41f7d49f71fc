"""Cases whose label may be wrong: where models agree with each other against it."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from harness.analysis import label_issues
from harness.core.formatting import visible
from harness.core.types import CallError, Case, Manifest, Reading, Response, Result, Run, Score
from harness.report.label_text import group_text

from ..support.cli import Terminal
from ..support.project import CONFIG, TEXTS, Project, row
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply

TRUTH = {text: label for text, label, _ in TEXTS}


def made(cell: str, answers_by_case: dict[str, Any], digest: str = "", task: str = "classification") -> Run:
    """A run of fake answers; every case expects `billing`. A list is what repeats of a case say, `!` a failed call."""
    variant, _, backend = cell.partition("@")
    results = []
    for case_id, answers in answers_by_case.items():
        case = Case(case_id, {"text": "?"}, "billing", digest=f"{case_id}{digest}")
        for repeat, answer in enumerate(answers if isinstance(answers, list) else [answers]):
            if answer == "!":
                results.append(Result(case, Response(error=CallError("timeout", "no")), None, None, "k", repeat))
                continue
            right = answer == "billing"
            reading = Reading(None, answer, compliant=False)
            results.append(Result(case, Response("…"), reading, Score(strict=False, lenient=right), "k", repeat))
    common: dict[str, Any] = {
        "fingerprint": {},
        "limit": None,
        "labels": (),
        "n_cases": len(answers_by_case),
        "started_at": "",
    }
    names = {"eval": "triage", "task": task, "prompt": "triage/v1", "dataset": "tickets", "split": "test"}
    return Run(Manifest(run_id=cell, variant=variant, backend=backend, **names, **common), tuple(results))


def issues(*runs: Run, own: tuple[str, ...] = ("gpt@big", "local@small")) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Case, answer and reasons of each suspect."""
    return [(s.case.id, s.answer, tuple(map(group_text, s.groups))) for s in label_issues.find(runs, own)]


class TestBackends:
    @pytest.mark.parametrize(
        ("big", "small", "listed"),
        [
            pytest.param("technical", "technical", True, id="both say the same, and not the label"),
            pytest.param("billing", "billing", False, id="both are right"),
            pytest.param("technical", "general", False, id="wrong in different ways"),
            pytest.param("technical", "billing", False, id="one is right"),
            pytest.param(None, None, False, id="to agree on no answer is no agreement"),
            pytest.param("!", "!", False, id="failed calls say nothing"),
            pytest.param(["technical", "technical", "general"], "technical", True, id="most of the time counts"),
            pytest.param(["technical", "general"], "technical", False, id="half of the time does not"),
        ],
    )
    def test_case_is_listed_if_all_agree_against_its_label(self, big: Any, small: Any, listed: bool) -> None:
        expected = [("c", "technical", ("all backends",))] if listed else []
        assert issues(made("gpt@big", {"c": big}), made("local@small", {"c": small})) == expected

    def test_one_dissenting_cell_drops_the_case(self) -> None:
        three = [made("gpt@big", {"c": "technical"}), made("local@small", {"c": "technical"})]
        own = ("gpt@big", "local@small", "local@tiny")
        assert issues(*three, made("local@tiny", {"c": "billing"}), own=own) == []
        assert len(issues(*three, made("local@tiny", {"c": "technical"}), own=own)) == 1

    def test_edited_cases_are_kept_apart(self) -> None:
        edited = made("local@small", {"c": "technical"}, digest="-new")
        assert issues(made("gpt@big", {"c": "technical"}), edited) == []

    def test_embedding_runs_are_skipped(self) -> None:
        both = [made(cell, {"c": "576 dimensions"}, task="embedding") for cell in ("gpt@big", "local@small")]
        assert issues(*both) == []


class TestVariants:
    def test_all_variants_on_one_backend_are_a_group(self) -> None:
        runs = [
            made("gpt@small", {"c": "technical", "d": "general"}),
            made("local@small", {"c": "technical", "d": None}),
        ]
        assert issues(*runs, own=("local@small",)) == [("c", "technical", ("all variants on small",))]

    def test_both_groups_make_one_issue_that_comes_first(self) -> None:
        runs = [
            made("gpt@big", {"a": "billing", "b": "general"}),
            made("local@small", {"a": "technical", "b": "general"}),
            made("gpt@small", {"a": "technical", "b": "general"}),
        ]
        assert issues(*runs) == [
            ("b", "general", ("all backends", "all variants on small")),
            ("a", "technical", ("all variants on small",)),
        ]
        assert label_issues.find(runs, ("gpt@big", "local@small"))[0].cells == ("gpt@big", "local@small", "gpt@small")


BOTH = CONFIG + CONFIG.replace("[backends.fake]", "[backends.other]").replace(
    '"fake-model"', '"other-model"\ncheck_model = false'
)
TRAP = '=HYPERLINK("http://x")\x1b[2J'


@pytest.fixture
def reviewed(harness: Terminal, project: Project, server: FakeOpenAI) -> Terminal:
    """Two backends that know everything but agree that the crash of the billing page is a matter of billing."""
    project.config(BOTH.replace("http://127.0.0.1:9/v1", server.base_url))
    rows = [row(f"t-{i}", text, label, split="test") for i, (text, label, _) in enumerate(TEXTS, 1)]
    rows.append(row("=t-7", TRAP, "general", split="test", label_source="gpt-4o"))
    project.cases(rows)

    def answer(asked: ReceivedRequest) -> Reply:
        text = next((text for text in TRUTH if text in asked.prompt), "")
        return Reply("billing" if "billing page" in text or not text else TRUTH[text])

    server.answer = answer
    assert harness("run", "--variant", "local").code == 0
    return harness


class TestCommand:
    def test_screen_lists_case_label_and_common_answer(self, reviewed: Terminal) -> None:
        ended = reviewed("datasets", "suspects", "triage")
        assert ended.code == 0, ended.err
        assert "triage: 2 cases with suspect labels" in ended.out
        answers_by_case = " ".join(ended.out.split())
        assert "t-2 technical author billing all backends The billing page crashes" in answers_by_case
        assert "lenient accuracy: local@fake 71.4%" in answers_by_case

    def test_hostile_text_is_inert_on_screen_and_in_csv(self, reviewed: Terminal, project: Project) -> None:
        ended = reviewed("datasets", "suspects", "-o", "review.csv", "-o", "review.jsonl")
        assert "\x1b" not in ended.out + ended.err
        hostile = next(csv.DictReader((project.root / "review.csv").open(newline="")))
        assert (hostile["case_id"], hostile["inputs"]) == ("'=t-7", f"'{visible(TRAP)}")
        lines = [json.loads(line) for line in (project.root / "review.jsonl").read_text().splitlines()]
        assert lines[0] == {
            "eval": "triage",
            "case_id": "=t-7",
            "expected": "general",
            "label_source": "gpt-4o",
            "said": "billing",
            "said_by": ["local@fake", "local@other"],
            "why": "all backends",
            "tags": [],
            "inputs": TRAP,
        }

    def test_corrected_label_is_not_listed(self, reviewed: Terminal, project: Project) -> None:
        mended = [row(f"t-{i}", text, label, split="test") for i, (text, label, _) in enumerate(TEXTS, 1)]
        project.cases([one | ({"expected": "billing"} if one["id"] == "t-2" else {}) for one in mended])
        ended = reviewed("datasets", "suspects", "triage")
        assert "triage: 0 cases with suspect labels" in ended.out
        assert "note: triage: 2 cases left out" in ended.err

    def test_single_backend_is_reported(self, reviewed: Terminal) -> None:
        ended = reviewed("datasets", "suspects", "--backend", "fake")
        assert "runs of one backend only" in ended.err

    def test_usage_errors_come_before_reading_the_store(self, reviewed: Terminal) -> None:
        assert reviewed("datasets", "suspects", "-o", "x.pdf").code == 2
        assert "did you mean 'fake'?" in reviewed("datasets", "suspects", "-b", "fak").err


def test_missing_runs_name_the_command(harness: Terminal, project: Project) -> None:
    ended = harness("datasets", "suspects", "triage")
    assert ended.code == 0
    assert "no complete run yet" in ended.err
