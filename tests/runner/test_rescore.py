"""Saved replies under another contract: a new run, the same replies, no call."""

from __future__ import annotations

import json

from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI, Reply


def test_looser_contract_accepts_more_of_the_same_replies(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = lambda _: Reply("Billing")
    harness("run", "--variant", "local", "-o", "before.jsonl")
    asked = len(server.chats)
    served.eval("case_sensitive = false\n")
    ended = harness("rescore", "triage", "-o", "after.jsonl")
    assert ended.code == 0, ended.err
    assert "4 of 4 readings changed" in ended.out
    assert "t-1: billing (wrong_case) -> billing" in ended.out
    before, after = (
        [json.loads(line) for line in (served.root / name).read_text().splitlines()]
        for name in ("before.jsonl", "after.jsonl")
    )
    assert [row["reply"] for row in before] == [row["reply"] for row in after]
    assert [row["strict"] for row in before] == [None] * 4
    assert [row["strict"] for row in after] == ["billing"] * 4
    assert before[0]["run_id"] != after[0]["run_id"]
    assert len(server.chats) == asked


def test_the_new_run_names_the_old_one_and_is_the_newest(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    harness("rescore", "triage")
    harness("report", "-o", "r.json")
    (cell,) = json.loads((served.root / "r.json").read_text())["evals"][0]["cells"]
    assert (cell["manifest"]["origin"], cell["manifest"]["billing"]) == ("rescored", "standard")
    assert "read again" in json.dumps(cell)


def test_run_with_removed_labels_cannot_be_rescored(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    served.eval(text='task = "classification"\nprompt = "triage"\ndataset = "tickets"\nlabels = ["a", "b"]\n')
    ended = harness("rescore", "triage")
    assert ended.code == 2
    assert "expected 'billing' is not among the labels" in ended.err
