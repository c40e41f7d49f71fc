"""A project of version 0.1 opens as it is: its store, baselines, recording, routing.toml and harness.toml.

The files in data/project_0_1 were written by version 0.1 with a fake model server. The server's port became 9 afterwards.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.analysis import baseline
from harness.core.types import Billing, RunOrigin
from harness.project import config, routing
from harness.runner.project import Project

from ..support.cli import Terminal

DATA = Path(__file__).parent / "data" / "project_0_1"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, as the working directory."""
    folder = tmp_path / "old"
    shutil.copytree(DATA, folder, ignore=shutil.ignore_patterns("runs.db"))
    (folder / ".harness").mkdir()
    shutil.copy(DATA / "runs.db", folder / ".harness" / "runs.db")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    return folder


def test_store_has_its_runs_with_origin_and_billing(old: Path) -> None:
    with Project.open(old) as project:
        manifests = project.store.manifests()
        assert len(manifests) == 8
        assert {(m.origin, m.billing) for m in manifests} == {(RunOrigin.ASKED, Billing.STANDARD)}
        assert all(len(project.store.results(m.run_id)) == m.n_cases for m in manifests)
        assert {m.tags for m in manifests} == {("nightly",)}


def test_commands_read_the_old_store(harness: Terminal, old: Path) -> None:
    for command in (
        "report -o x.html",
        "history triage",
        "cost",
        "advise",
        "rescore triage",
        "export triage -o x.jsonl",
    ):
        ended = harness(*command.split())
        assert ended.code == 0, (command, ended.err)
    assert harness("compare", "local@fake~1", "local@fake").code == 0


def test_rescored_replies_read_as_before(harness: Terminal, old: Path) -> None:
    assert "0 of 4 readings changed" in harness("rescore", "triage").out


def test_baselines_open_and_are_compared(harness: Terminal, old: Path) -> None:
    saved = list(baseline.find(old))
    assert {side.cell for side in saved} == {"gpt@other", "local@fake"}
    assert harness("baseline", "list").code == 0
    ended = harness("baseline", "check")
    assert (ended.code, "INCOMPARABLE" in ended.out) == (0, False), ended.out


def test_recording_answers_every_case(harness: Terminal, old: Path) -> None:
    ended = harness("run", "-b", "replay:recording.jsonl#fake", "-o", "x.json")
    assert ended.code == 0, ended.err
    cells = json.loads((old / "x.json").read_text("utf-8"))["evals"][0]["cells"]
    assert {(cell["n"], cell["errors"]) for cell in cells} == {(4, 0)}


def test_routing_and_configuration_load(old: Path) -> None:
    loaded = config.load(old)
    assert loaded.pair is not None
    assert (loaded.pair.reference, loaded.pair.candidate, loaded.run.tag) == ("other", "fake", ("nightly",))
    assert list(routing.load(old / "routing.toml", loaded).tasks) == ["triage"]
