"""`harness compare` as it is typed: the verdict, its exit code, and the files that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.store.runs import open_store

from ..report.test_columns import figures
from ..report.test_compared import run
from ..support.cli import Terminal
from ..support.project import CONFIG, Project

PAIR = CONFIG.replace("[backends.fake]", "[backends.big]").replace('"local"', '"gpt"')
PAIR += CONFIG + '[pair]\nreference = "big"\ncandidate = "fake"\n'


@pytest.fixture
def saved(project: Project) -> Project:
    """Four runs: the reference, the candidate, and two of the candidate that nothing has changed between."""
    project.config(PAIR)
    store = open_store(project.load().store_url)
    for one in (
        run("gpt@big", "R" * 300, run_id="reference", eval="triage"),
        run("local@fake", "w" * 60 + "R" * 240, 0.2, run_id="candidate", eval="triage"),
        run("local@fake", "R" * 300, run_id="a", eval="triage"),
        run("local@fake", "R" * 299 + "w", run_id="b", eval="triage"),
        run("local@fake", "R" * 20, run_id="few", eval="triage"),
    ):
        store.add(one)
    store.close()
    return project


@pytest.mark.parametrize(
    ("arguments", "verdict", "code"),
    [
        (("reference", "candidate"), "STAY", 1),
        (("reference", "a"), "MOVE", 0),
        (("a", "candidate"), "REGRESSED", 1),
        (("candidate", "a"), "IMPROVED", 0),
        (("a", "b"), "OK", 0),
        (("a", "few"), "INCOMPARABLE", 4),
        (("a", "few", "--shared"), "INCONCLUSIVE", 0),
        (("a", "few", "--shared", "--strict"), "INCONCLUSIVE", 4),
        (("reference", "candidate", "--question", "change", "--margin", "0.5"), "OK", 0),
    ],
)
def test_the_exit_code_is_the_verdict(
    harness: Terminal, saved: Project, arguments: tuple[str, ...], verdict: str, code: int
) -> None:
    ended = harness("compare", *arguments)
    assert ended.code == code, ended.err
    assert f"\n{verdict}  " in ended.out


def test_the_page_has_this_comparison_on_top_of_a_report_of_both_runs(harness: Terminal, saved: Project) -> None:
    harness("compare", "reference", "candidate", "--noise", "a", "b", "-o", "x.html")
    text = (saved.root / "x.html").read_text(encoding="utf-8")
    assert text.index("STAY</strong>") < text.index('class="matrix"')
    for shown in ("right → wrong <b>60</b>", "1 of 300 answers change", "reply w", ">Every case</h3>"):
        assert shown in text


def test_a_run_is_not_compared_with_itself(harness: Terminal, saved: Project) -> None:
    ended = harness("compare", "a", "a")
    assert (ended.code, ended.out) == (2, "")
    assert "a and a are one and the same run" in ended.err


def test_json_and_markdown_have_the_same_verdict(harness: Terminal, saved: Project) -> None:
    harness("compare", "reference", "candidate", "-o", "x.json", "-o", "x.md")
    told = json.loads((saved.root / "x.json").read_text(encoding="utf-8"))
    assert (told["verdict"], told["flips"]["right_to_wrong"], told["n"]) == ("STAY", 60, 300)
    assert f"**{told['verdict']}**" in (saved.root / "x.md").read_text(encoding="utf-8")


def test_another_ending_is_refused_before_anything_is_read(harness: Terminal, saved: Project) -> None:
    ended = harness("compare", "no such run", "a", "-o", str(Path("x.csv")))
    assert ended.code == 2
    assert "use one of .html, .json, .md" in ended.err


def test_a_report_and_a_run_judge_the_pair_of_the_project(harness: Terminal, saved: Project) -> None:
    out = harness("report", "reference", "candidate", "-o", "x.html").out
    assert "STAY gpt@big -> local@fake: difference -20.0 points" in " ".join(out.split())
    assert "Verdicts</h3>" in (saved.root / "x.html").read_text(encoding="utf-8")


def test_a_small_p_is_smaller_and_not_equal_to_smaller(harness: Terminal, saved: Project) -> None:
    out = harness("compare", "reference", "candidate").out
    assert "p < 0.001" in out
    assert "= <" not in out


@pytest.mark.parametrize("width", ["60", "80", "100", "140"])
def test_no_figure_is_cut_however_narrow_the_terminal(
    harness: Terminal, saved: Project, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = harness("compare", "reference", "candidate").out
    monkeypatch.setenv("COLUMNS", width)
    assert {"80.0%", "−20.0", "(−24.9"} <= figures(wide) <= figures(harness("compare", "reference", "candidate").out)


def test_which_default_the_question_has_stands_above_the_options(harness: Terminal, saved: Project) -> None:
    said = " ".join(harness("compare", "--help").out.split())
    assert said.index("where the runs are of the pair") < said.index("Default: see above")
