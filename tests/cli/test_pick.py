"""`harness pick`: the cheapest candidate that is proven good enough."""

from __future__ import annotations

import json

import pytest

from harness.store.runs import open_store

from ..report.test_compared import run
from ..support.cli import Terminal
from ..support.project import CONFIG, Project

PRICES = {"big": 5.0, "dear": 2.0, "cheap": 0.5, "weak": 0.1}


@pytest.fixture
def team(project: Project) -> Project:
    """Four backends with prices."""
    tables = [
        CONFIG.replace("backends.fake", f"backends.{name}").replace("fake-model", name)
        + f"prompt_usd = {usd}\ncompletion_usd = {usd}\n"
        for name, usd in PRICES.items()
    ]
    project.config("".join(tables) + '[pair]\nreference = "big"\ncandidate = "cheap"\n')
    return project


def save(project: Project, **outcomes: str) -> None:
    """Save a run of each backend."""
    store = open_store(project.load().store_url)
    for name, letters in outcomes.items():
        store.add(run(f"local@{name}", letters, run_id=name, eval="triage"))
    store.close()


def test_cheapest_proven_candidate_is_picked(harness: Terminal, team: Project) -> None:
    save(team, big="R" * 400, dear="R" * 400, cheap="R" * 399 + "w", weak="w" * 60 + "R" * 340)
    ended = harness("pick", "triage", "-o", "pick.json")
    assert ended.code == 0
    assert "Pick cheap: the cheapest of 2 proven within 3 points of big (3 candidates compared, 98.33%" in ended.out
    figures = json.loads((team.root / "pick.json").read_text())
    assert figures["picked"] == "cheap"
    assert [each["backend"] for each in figures["candidates"]] == ["weak", "cheap", "dear"]


def test_more_candidates_need_more_proof(harness: Terminal, team: Project) -> None:
    save(team, big="R" * 300, dear="w" * 10 + "R" * 290, cheap="R" * 297 + "www", weak="w" * 60 + "R" * 240)
    assert harness("compare", "local@big", "local@cheap").code == 0  # alone, it is proven
    ended = harness("pick", "triage")
    assert ended.code == 4
    assert "Pick none yet" in ended.out
    assert "The closest is cheap" in ended.out


def test_only_worse_candidates_are_no_pick(harness: Terminal, team: Project) -> None:
    save(team, big="R" * 300, weak="w" * 60 + "R" * 240)
    ended = harness("pick", "triage", "--backends", "weak")
    assert ended.code == 1
    assert "Pick none: all lose more than 3 points against big" in ended.out


def test_missing_run_names_the_command(harness: Terminal, team: Project) -> None:
    save(team, big="R" * 300)
    ended = harness("pick", "triage", "--backends", "cheap,dear")
    assert ended.code == 2
    assert "harness run triage -b cheap -b dear" in ended.err


@pytest.mark.parametrize(
    ("backends", "message"), [("chep", "did you mean 'cheap'"), ("big", "is the reference"), (",", "no candidate")]
)
def test_useless_candidates_are_rejected(harness: Terminal, team: Project, backends: str, message: str) -> None:
    save(team, big="R" * 300, cheap="R" * 300)
    ended = harness("pick", "triage", "--backends", backends)
    assert ended.code == 2
    assert message in ended.err
