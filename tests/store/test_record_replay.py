"""`harness run --record FILE`, then `--backend replay:FILE` in a project without server and store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ..support.cli import Terminal
from ..support.project import EVAL, LOCAL, Project
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply, error

FILE = "recordings/triage.jsonl"


def reply(asked: ReceivedRequest) -> Reply:
    return Reply("technical" if "crashes" in asked.prompt else "billing")


@pytest.fixture
def recorded(harness: Terminal, served: Project, server: FakeOpenAI) -> Project:
    """The small project with a recording of both variants and no store, as after `git clone`."""
    server.answer = reply
    ended = harness("run", "--record", FILE, "-o", "there.jsonl")
    assert ended.code == 0, ended.err
    shutil.rmtree(served.root / ".harness")
    server.answer = lambda _: error(500, "nobody may ask")
    return served


def replies(path: Path) -> list[tuple[str, str, bool]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted((row["variant"], row["case_id"], row["reply"], row["compliant"]) for row in rows)


def errors(project: Project) -> set[str]:
    return {json.loads(line)["error"] for line in (project.root / "here.jsonl").read_text().splitlines()}


def test_recording_replays_in_another_project(harness: Terminal, recorded: Project, server: FakeOpenAI) -> None:
    before = len(server.chats)
    ended = harness("run", "-b", f"replay:{FILE}", "--variant", "local", "--variant", "gpt", "-o", "here.jsonl")
    assert (ended.code, len(server.chats)) == (0, before), ended.err
    assert replies(recorded.root / "here.jsonl") == replies(recorded.root / "there.jsonl")
    assert f"replay:{FILE}" in ended.out


def test_replay_defaults_to_the_backend_s_own_variant(harness: Terminal, recorded: Project) -> None:
    harness("run", "-b", f"replay:{FILE}", "-o", "here.jsonl")
    assert {variant for variant, *_ in replies(recorded.root / "here.jsonl")} == {"local"}


def test_replay_uses_the_current_gates_and_contract(harness: Terminal, recorded: Project) -> None:
    lenient = "case_sensitive = false\n[gates]\nmin_compliance = 0.3\n"
    recorded.eval(lenient)
    assert harness("run", "-b", f"replay:{FILE}").code == 0
    path = recorded.root / FILE
    path.write_text(path.read_text().replace('"billing"', '"Billing"').replace('"technical"', '"Technical"'))
    assert harness("run", "-b", f"replay:{FILE}").code == 0
    recorded.eval(lenient.replace("false", "true"))
    ended = harness("run", "-b", f"replay:{FILE}")
    assert ended.code == 1
    assert "compliance" in ended.out


def test_changed_prompt_has_no_recorded_reply(harness: Terminal, recorded: Project) -> None:
    recorded.prompt(local=LOCAL.replace("one word", "one label"))
    ended = harness("run", "triage", "-b", f"replay:{FILE}", "-o", "here.jsonl")
    assert ended.code == 4
    assert "holds no reply to this prompt" in ended.err
    assert all("not_recorded" in what for what in errors(recorded))


def test_unrecorded_evals_are_skipped_unless_named(harness: Terminal, recorded: Project) -> None:
    recorded.eval(name="invoices", text=EVAL.replace("billing", "invoice").replace('"tickets"', '"more"'))
    recorded.card(name="more")
    recorded.cases([{"id": "m-1", "inputs": {"text": "x"}, "expected": "invoice", "split": "test"}], name="more")
    ended = harness("run", "-b", f"replay:{FILE}")
    assert ended.code == 0, ended.err
    assert "invoices" not in ended.out
    assert harness("run", "invoices", "-b", f"replay:{FILE}").code == 4


def test_cached_and_resumed_runs_are_recorded_completely(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = lambda asked: error(400, "no") if "refund" in asked.prompt else reply(asked)
    assert harness("run", "--variant", "local").code == 4
    server.answer = reply
    before = len(server.prompts)
    assert harness("run", "--variant", "local", "--resume", "--record", "resumed.jsonl").code == 0
    assert len(server.prompts) == before + 1
    assert harness("run", "--variant", "local", "--record", "cached.jsonl").code == 0
    assert len(server.prompts) == before + 1
    for name in ("resumed.jsonl", "cached.jsonl"):
        lines = [json.loads(line) for line in (served.root / name).read_text().splitlines()]
        assert sorted(line["case"] for line in lines[1:]) == ["t-1", "t-2", "t-3", "t-4"]


def test_recording_of_two_backends_needs_a_backend_name(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    config = (served.root / "harness.toml").read_text()
    served.config(config + config.replace("[backends.fake]", "[backends.other]"))
    assert harness("run", "--variant", "local", "--record", FILE).code == 0
    ended = harness("run", "-b", f"replay:{FILE}")
    assert ended.code == 2
    assert f"use one of replay:{FILE}#fake, replay:{FILE}#other" in ended.err
    assert harness("run", "-b", f"replay:{FILE}#fake", "-b", f"replay:{FILE}#other").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "replay:nowhere.jsonl"], "nowhere.jsonl: cannot be read: No such file"),
        (["-b", "replay:datasets/tickets/cases.jsonl"], "cases.jsonl:1: not a line of a recording"),
        (["--record", "datasets/tickets/cases.jsonl"], "cases.jsonl:1: not a line of a recording"),
        (["--record", "datasets"], "datasets: cannot be written: Is a directory"),
    ],
)
def test_bad_recording_is_an_error_before_any_request(
    harness: Terminal, served: Project, server: FakeOpenAI, arguments: list[str], message: str
) -> None:
    before = (served.root / "datasets/tickets/cases.jsonl").read_bytes()
    ended = harness("run", *arguments)
    assert (ended.code, server.chats) == (2, [])
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert (served.root / "datasets/tickets/cases.jsonl").read_bytes() == before
