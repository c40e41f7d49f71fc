"""A judge's opinion is never given without how far it agrees with people."""

from __future__ import annotations

import json

import pytest

from harness.core.types import RunOrigin
from harness.project import evals
from harness.runner import gate_checks
from harness.runner.project import Project as OpenProject
from harness.store.run_query import RunQuery

from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import Asked, FakeOpenAI, Reply

SUMMARY_EVAL = 'task = "summarization"\nprompt = "brief"\ndataset = "threads"\n'
JUDGE_EVAL = """\
task = "classification"
prompt = "verdict"
dataset = "judged"
labels = ["acceptable", "unacceptable"]
"""
SUMMARY_PROMPT = "{% user %}Summarize: {{ thread }}{% enduser %}"
JUDGE_PROMPT = "{% user %}{{ labels }} {{ thread }} / {{ reference }} / {{ summary }} Verdict:{% enduser %}"


def judged(n: int, *, expected: str, summary: str) -> dict[str, object]:
    inputs = {"thread": "It broke.", "reference": "It broke.", "summary": summary}
    return {"id": f"j-{n}", "inputs": inputs, "expected": expected}


@pytest.fixture
def project(served: Project, server: FakeOpenAI) -> Project:
    """Four threads to summarize, and eight summaries that people have judged: good ones say so."""
    (served.root / "evals" / "triage.toml").unlink()
    served.eval(name="brief", text=SUMMARY_EVAL)
    served.eval(name="summary_judge", text=JUDGE_EVAL)
    served.prompt(SUMMARY_PROMPT, SUMMARY_PROMPT, name="brief")
    served.prompt(JUDGE_PROMPT, JUDGE_PROMPT, name="verdict")
    served.card(name="threads")
    served.card(name="judged")
    threads = [
        {"id": f"t-{i}", "inputs": {"thread": f"Disk {i} was full."}, "expected": {"summary": f"Disk {i} was full."}}
        for i in range(4)
    ]
    served.cases(threads, name="threads")
    rows = [judged(i, expected="acceptable", summary=f"good {i}") for i in range(4)]
    rows += [judged(i, expected="unacceptable", summary=f"bad {i}") for i in range(4, 8)]
    served.cases(rows, name="judged")
    server.answer = answers
    return served


def answers(asked: Asked) -> Reply:
    """A fake judge that goes by one word, and a fake writer that uses it for every second thread."""
    prompt = asked.prompt
    if prompt.endswith("Verdict:"):
        return Reply("acceptable" if "good" in prompt else "unacceptable")
    return Reply("A good summary." if "Disk 1" in prompt or "Disk 3" in prompt else "A summary.")


def test_judge_report_includes_agreement_with_people(harness: Terminal, project: Project) -> None:
    assert harness("run", "brief", "--variant", "local").code == 0
    ended = harness("judge", "brief/fake", "--backend", "fake", "-o", "opinion.json")
    assert ended.code == 0, ended.err
    assert "acceptable 50.0% (15–85) of 4 replies" in ended.out
    assert "agreement with people on 8 labelled rows: kappa 1.00" in ended.out
    saved = json.loads((project.root / "opinion.json").read_text())
    assert (saved["accepted"]["hits"], saved["agreed"]["n"], saved["unread"]) == (2, 8, 0)


def test_judge_without_agreement_is_reported(harness: Terminal, project: Project, server: FakeOpenAI) -> None:
    harness("run", "brief", "--variant", "local")
    server.answer = lambda _: Reply("acceptable")
    ended = harness("judge", "brief/fake", "--backend", "fake")
    assert "kappa 0.00" in ended.out
    assert "do not rely on this judge" in ended.out


def test_judged_run_is_not_the_latest_run_of_its_eval(harness: Terminal, project: Project) -> None:
    harness("run", "brief", "--variant", "local")
    harness("judge", "brief/fake", "--backend", "fake")
    assert harness("report", "-o", "r.json").code == 0
    report = json.loads((project.root / "r.json").read_text())
    assert {e["eval"]: e["cells"][0]["n"] for e in report["evals"]} == {"brief": 4, "summary_judge": 8}


def test_judged_run_is_never_the_newest_run_of_its_eval(harness: Terminal, project: Project) -> None:
    harness("run", "brief", "--variant", "local")
    harness("judge", "brief/fake", "--backend", "fake")
    with OpenProject.open(project.root) as opened:
        judged, sample = opened.store.manifests(RunQuery(eval="summary_judge"))
        assert {judged.origin, sample.origin} == {RunOrigin.ASKED, RunOrigin.JUDGED}
        (definition,) = evals.find(project.root, ["summary_judge"])
        (newest,) = gate_checks.newest(opened, definition)
        assert newest.manifest.origin is RunOrigin.ASKED


def test_only_summaries_are_judged(harness: Terminal, project: Project) -> None:
    harness("run", "summary_judge", "--variant", "local")
    ended = harness("judge", "summary_judge/fake", "--backend", "fake")
    assert ended.code == 2
    assert "reads runs of summarization" in ended.err
