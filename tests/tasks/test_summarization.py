"""The summarization task: options, right summaries, and the report's section."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.core.errors import ConfigError, HarnessError
from harness.core.types import Case, Response, Result, Run, Score
from harness.report.formats.html import render
from harness.report.model import build
from harness.report.sections import summaries
from harness.tasks import read_and_score

from ..report.fakes import fake_manifest, small_run
from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI, Reply

THREAD = "[09:12] Priya: 14% of logins fail on api-eu-2\n[09:31] Priya: config push 8831\n[09:47] Priya: reverted"
SUMMARY = "Config push 8831 broke 14% of logins on api-eu-2 from 09:12 until it was reverted at 09:47."
EXPECTED = {"summary": SUMMARY, "facts": ["login*", ["config push", "8831"], "revert*"], "must_not": ["ddos attack"]}
CASE = {"id": "is-1", "inputs": {"thread": THREAD}, "expected": EXPECTED}
EVAL = 'task = "summarization"\nprompt = "incidents"\ndataset = "incidents"\n\n[contract]\nmax_words = 20\nlanguage = "en"\n'


@pytest.fixture
def incidents(project: Project) -> Project:
    """A project with only a summarization eval of one case."""
    (project.root / "evals/triage.toml").unlink()
    project.eval(name="incidents", text=EVAL)
    project.prompt(
        name="incidents",
        gpt="{{ limits.max_words }}: {{ thread }}",
        local="At most {{ limits.max_words }} words: {{ thread }}",
    )
    project.card(name="incidents")
    project.cases([CASE], name="incidents")
    return project


def scored(project: Project, reply: str) -> Score:
    cell = project.plan()[0]
    _, score = read_and_score(cell.task, cell.cases[0], Response(reply))
    assert score is not None
    return score


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        (SUMMARY, True, True),
        ("Reverting push 8831 at 9:47 ended 35 minutes of failing logins.", True, True),
        (f"Here is the summary:\n\n{SUMMARY}", False, True),
        (f"{SUMMARY} Nobody was hurt, nobody was paged.", False, True),  # too long
        (f"{SUMMARY} {THREAD}", False, False),  # a complete copy has every fact
        ("Logins failed until push 8831 was undone.", False, False),  # a fact is missing
        (f"{SUMMARY} 38 users wrote.", False, False),  # an invented number
        ("After a DDoS attack config push 8831 broke logins until it was reverted.", False, False),
        ("I'm sorry, but I cannot help with that.", False, False),
    ],
)
def test_summary_needs_facts_and_for_strict_also_its_form(
    incidents: Project, reply: str, *, strict: bool, lenient: bool
) -> None:
    score = scored(incidents, reply)
    assert (score.strict, score.lenient) == (strict, lenient)
    assert score.measures.keys() == {"rouge_l", "chrf", "fact_recall", "no_invented_numbers", "no_invented_names"}


def test_the_prompt_may_name_the_limits(incidents: Project) -> None:
    variables = incidents.plan()[0].task.variables(Case("c", {"thread": "x"}, EXPECTED))
    assert variables["thread"] == "x"
    assert variables["limits"]["max_words"] == 20
    assert variables["limits"]["min_words"] is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"summary": 25 * "login "}, "breaks the contract: too_long"),
        ({"summary": "Logins failed until config push 8831."}, "lacks the fact 'revert*'"),
        ({"must_not": ["config push 8831"]}, "has a forbidden statement: 'config push 8831'"),
        ({"summary": 1}, "must be an object with a `summary`"),
        ({"fact": []}, "unknown key 'fact'"),
        ({"facts": [[]]}, "`facts` that is not a list of phrasings"),
        ({"facts": "login"}, "`facts` that is not a list of phrasings"),
        ({"must_not": [""]}, "`must_not` that is not a list of phrasings"),
    ],
)
def test_wrong_reference_summary_is_an_error(incidents: Project, changed: dict[str, Any], message: str) -> None:
    incidents.cases([{**CASE, "expected": {**EXPECTED, **changed}}], name="incidents")
    with pytest.raises(HarnessError, match=message.replace("*", r"\*")):
        incidents.plan()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("min_words = 30", "at least 30 and at most 20 words"),
        ('required = [" "]', "must not be blank"),
        ("max_word = 3", "max_word"),
        ("max_sentences = 0", "greater than or equal to 1"),
    ],
)
def test_unsatisfiable_contract_is_an_error_of_the_eval(incidents: Project, line: str, message: str) -> None:
    incidents.eval(name="incidents", text=f"{EVAL}{line}\n")
    with pytest.raises(ConfigError, match=message):
        incidents.plan()


def test_summaries_are_run_stored_and_reported(harness: Terminal, incidents: Project, server: FakeOpenAI) -> None:
    from ..support.project import CONFIG

    incidents.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url))
    server.answer = lambda _: Reply(f"Summary: {SUMMARY}")
    ended = harness("run", "-o", "r.html", "-o", "r.jsonl", "-o", "r.csv", "-o", "r.json", "-o", "r.md")
    assert ended.code == 0, ended.err
    assert any(prompt.startswith("At most 20 words: [09:12]") for prompt in server.prompts)
    page = (incidents.root / "r.html").read_text(encoding="utf-8")
    assert "fact recall" in page
    rows = [json.loads(line) for line in (incidents.root / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["lenient"] for row in rows} == {SUMMARY}


def run_of(*replies: str) -> Run:
    """Save a run with one case per reply."""
    from harness.contracts.text.contract import LengthLimits, TextContract
    from harness.tasks.summarization import SummarizationTask

    task = SummarizationTask(TextContract(words=LengthLimits(most=20)))
    results = []
    for i, reply in enumerate(replies):
        case = Case(f"is-{i}", CASE["inputs"], EXPECTED, digest=str(i))
        reading, score = read_and_score(task, case, Response(reply))
        results.append(Result(case, Response(reply), reading, score, "key"))
    return replace(small_run(results), manifest=fake_manifest(n_cases=len(replies), task="summarization", labels=()))


def test_section_has_figures_and_the_worst_summaries() -> None:
    report = build([run_of(SUMMARY, "Logins failed, says Tom.", "99 logins of <b>KMS</b> failed.", "")]).evals[0]
    found = summaries.context(report)
    assert found is not None
    ((_, row),) = found["rows"]
    assert (row["n"], row["texts"]) == (4, 3)
    ((_, worst),) = found["worst"]
    assert [example.case for example in worst] == ["is-2", "is-1"]
    assert worst[0].numbers == ("99",)
    assert worst[1].names == ("Tom",)
    assert worst[1].missed == ("config push", "revert*")


def test_invented_markup_is_shown_as_text() -> None:
    page = render(build([run_of("The <script>alert(1)</script> cause was <img src=x onerror=alert(2)>.")]))
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_other_tasks_have_no_summary_section() -> None:
    assert summaries.context(build([small_run([])]).evals[0]) is None
