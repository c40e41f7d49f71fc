"""`harness compare`: verdicts, exit codes, and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.store.runs import open_store

from ..report.test_columns import figures
from ..report.test_compared import run
from ..support.cli import Terminal
from ..support.project import CONFIG, Project
from ..support.snapshot import Snapshot

PAIR = CONFIG.replace("[backends.fake]", "[backends.big]").replace('"local"', '"gpt"')


PAIR += CONFIG + '[pair]\nreference = "big"\ncandidate = "fake"\n'


@pytest.fixture
def saved(project: Project) -> Project:
    """Five runs: the reference, a worse candidate, two equal candidates, and one with few cases."""
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


def test_comparison_screen(harness: Terminal, saved: Project, snapshot: Snapshot) -> None:
    snapshot("compare", harness("compare", "reference", "candidate", "--noise", "a", "b").out)


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
        (("reference", "candidate", "--question", "change"), "REGRESSED", 1),
        (("a", "b", "--margin", "0.001"), "INCONCLUSIVE", 0),
    ],
)
def test_verdict_decides_the_exit_code(
    harness: Terminal, saved: Project, arguments: tuple[str, ...], verdict: str, code: int
) -> None:
    ended = harness("compare", *arguments)
    assert ended.code == code, ended.err
    assert f"\n{verdict}  " in ended.out


def test_html_has_the_comparison_above_both_runs(harness: Terminal, saved: Project) -> None:
    harness("compare", "reference", "candidate", "--noise", "a", "b", "-o", "x.html")
    text = (saved.root / "x.html").read_text(encoding="utf-8")
    assert text.index("STAY</strong>") < text.index('class="matrix"')
    for shown in ("right → wrong <b>60</b>", "1 of 300 answers change", "reply w", ">Every case</h3>"):
        assert shown in text


def test_comparing_a_run_with_itself_is_an_error(harness: Terminal, saved: Project) -> None:
    ended = harness("compare", "a", "a")
    assert (ended.code, ended.out) == (2, "")
    assert "a and a are the same run" in ended.err


def test_json_and_markdown_have_the_same_verdict(harness: Terminal, saved: Project) -> None:
    harness("compare", "reference", "candidate", "-o", "x.json", "-o", "x.md")
    written = json.loads((saved.root / "x.json").read_text(encoding="utf-8"))
    assert (written["verdict"], written["flips"]["right_to_wrong"], written["n"]) == ("STAY", 60, 300)
    assert f"**{written['verdict']}**" in (saved.root / "x.md").read_text(encoding="utf-8")


def test_unknown_ending_fails_before_reading_runs(harness: Terminal, saved: Project) -> None:
    ended = harness("compare", "no such run", "a", "-o", str(Path("x.csv")))
    assert ended.code == 2
    assert ".html, .json, .md" in ended.err


def test_report_shows_the_verdict_of_the_pair(harness: Terminal, saved: Project) -> None:
    out = harness("report", "reference", "candidate", "-o", "x.html").out
    assert "STAY triage -20.0 points" in " ".join(out.split())
    assert "Verdicts</h3>" in (saved.root / "x.html").read_text(encoding="utf-8")


def test_small_p_is_printed_as_less_than(harness: Terminal, saved: Project) -> None:
    out = harness("compare", "reference", "candidate").out
    assert "p < 0.001" in out
    assert "= <" not in out


@pytest.mark.parametrize("width", ["60", "80", "100", "140"])
def test_narrow_terminal_cuts_no_figure(
    harness: Terminal, saved: Project, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = harness("compare", "reference", "candidate").out
    monkeypatch.setenv("COLUMNS", width)
    assert {"80.0%", "−20.0", "(−24.9"} <= figures(wide) <= figures(harness("compare", "reference", "candidate").out)


def test_help_explains_the_default_question_above_options(harness: Terminal, saved: Project) -> None:
    text = " ".join(harness("compare", "--help").out.split())
    assert text.index("reference and the candidate of [pair]") < text.index("Default: see above")


def test_head_from_cache_is_noted_and_has_no_latency(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    harness("run", "--variant", "local")  # all replies come from the cache
    ended = harness("compare", "previous", "latest")
    assert "--no-cache" in ended.out
    assert "latency" not in ended.out


@pytest.fixture
def weekly(project: Project) -> Project:
    """Three cells with two whole runs, one cell with one, and a later sample that is no run over all cases."""
    store = open_store(project.load().store_url)
    rounds = {
        1: {"local@lost": "R" * 300, "local@same": "R" * 300, "local@small": "R" * 12},
        8: {"local@lost": "R" * 200 + "w" * 100, "local@same": "R" * 300, "local@small": "R" * 11 + "w"},
        9: {"local@new": "R" * 20},
    }
    for day, cells in rounds.items():
        for cell, outcomes in cells.items():
            stamp = f"2026-11-{day:02}T10:00:00"
            name = f"{cell.removeprefix('local@')}-{day}"
            store.add(run(cell, outcomes, run_id=name, eval="triage", started_at=stamp, finished_at=stamp))
    stamp = "2026-11-10T10:00:00"
    store.add(run("local@lost", "R" * 5, run_id="x", eval="triage", limit=5, started_at=stamp, finished_at=stamp))
    store.close()
    return project


def test_previous_latest_compares_every_cell_worst_first(
    harness: Terminal, weekly: Project, snapshot: Snapshot
) -> None:
    ended = harness("compare", "previous", "latest")
    assert ended.code == 1
    verdicts = [line.split()[0] for line in ended.out.splitlines()[1:4]]
    assert verdicts == ["REGRESSED", "INCONCLUSIVE", "OK"]
    assert "3 cells: 1 REGRESSED, 1 INCONCLUSIVE, 1 OK" in ended.out
    assert "1 cell without a run before: triage/local@new" in ended.out
    assert "Details: harness compare lost-1 lost-8" in ended.out
    snapshot("compare_cells", ended.out)


def test_exit_code_of_all_cells_is_the_worst(harness: Terminal, weekly: Project) -> None:
    store = open_store(weekly.load().store_url)
    stamp = "2026-11-20T10:00:00"
    store.add(run("local@lost", "R" * 200 + "w" * 100, run_id="y", eval="triage", started_at=stamp, finished_at=stamp))
    store.close()
    assert harness("compare", "previous", "latest").code == 0
    assert harness("compare", "previous", "latest", "--strict").code == 4


def test_files_have_the_comparison_of_every_cell(harness: Terminal, weekly: Project) -> None:
    harness("compare", "previous", "latest", "-o", "x.json", "-o", "x.md", "-o", "x.html")
    written = json.loads((weekly.root / "x.json").read_text(encoding="utf-8"))
    assert [one["verdict"] for one in written] == ["REGRESSED", "INCONCLUSIVE", "OK"]
    assert "**REGRESSED**" in (weekly.root / "x.md").read_text(encoding="utf-8")
    assert "REGRESSED</strong>" in (weekly.root / "x.html").read_text(encoding="utf-8")


def test_previous_latest_of_one_cell_has_the_whole_comparison(harness: Terminal, saved: Project) -> None:
    store = open_store(saved.load().store_url)
    for number, outcomes in enumerate(("R" * 30, "R" * 30), 1):
        stamp = f"2026-11-0{number}T10:00:00"
        other = run("local@fake", outcomes, run_id=f"o{number}", eval="other", started_at=stamp, finished_at=stamp)
        store.add(other)
    store.close()
    out = harness("compare", "previous", "latest", "--eval", "other").out
    assert "local@fake: o1 -> o2" in out
    assert "flips" in out


def test_previous_latest_without_an_earlier_run_is_an_error(harness: Terminal, project: Project) -> None:
    assert "no finished runs" in harness("compare", "previous", "latest").err
    store = open_store(project.load().store_url)
    for cell in ("local@a", "local@b"):
        store.add(run(cell, "R" * 9, run_id=cell, eval="triage"))
    store.close()
    ended = harness("compare", "previous", "latest")
    assert ended.code == 2
    assert "no cell has two finished runs over the same cases" in ended.err


def test_tag_selects_the_runs_of_every_cell(harness: Terminal, project: Project) -> None:
    store = open_store(project.load().store_url)
    for cell in ("local@a", "local@b"):
        for day, tags in ((1, ("weekly",)), (2, ()), (3, ("weekly",))):
            stamp = f"2026-11-0{day}T10:00:00"
            name = f"{cell[-1]}{day}"
            store.add(run(cell, "R" * 9, run_id=name, eval="triage", started_at=stamp, finished_at=stamp, tags=tags))
    store.close()
    out = harness("compare", "previous#weekly", "latest#weekly").out
    assert "2 cells: " in out
    assert "Details: harness compare a1 a3" in out
