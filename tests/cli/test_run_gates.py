"""Gates in `harness run`: exit codes, and runs without judged gates."""

from __future__ import annotations

import re

import pytest

from ..support.cli import Terminal
from ..support.knowing import correct_reply
from ..support.project import Project
from ..support.running import cases
from ..support.servers import FakeOpenAI, Reply
from ..support.snapshot import Snapshot


@pytest.mark.parametrize(
    ("gates", "code", "status"),
    [
        ("", 0, ""),
        ("[gates]\nmin_compliance = 0.4\n", 0, "passed"),
        ("[gates]\nmax_p95_latency_s = 1e-9\n", 1, "failed"),
    ],
)
def test_gates_decide_the_exit_code(
    harness: Terminal, served: Project, server: FakeOpenAI, gates: str, code: int, status: str
) -> None:
    server.answer = correct_reply
    served.eval(gates)
    ended = harness("run")
    assert ended.code == code
    assert status in ended.out
    assert "gpt@fake: " not in ended.out  # only the backend's own variant is judged


def test_screen_of_a_failed_gate(harness: Terminal, served: Project, server: FakeOpenAI, snapshot: Snapshot) -> None:
    cases(served, 60)
    served.eval("[gates]\nmin_accuracy = 0.9\nmin_compliance = 0.9\n")
    server.answer = lambda _: Reply("general")
    ended = harness("run", "--variant", "local")
    assert ended.code == 1
    snapshot("run_failed_gate", ended.out, {r" +p50": " p50", r" +\d+(\.\d+)? m?s\b": " TIME"})


def test_gates_are_not_judged_on_a_sample(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.9\n")
    ended = harness("run", "--limit", "2")
    assert ended.code == 0
    assert "not judged" in ended.out
    assert "2 cases" in ended.out


def test_failed_call_leaves_the_gate_undecided(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.1\n")
    server.answer = lambda asked: Reply(status=400) if "Easter" in asked.prompt else correct_reply(asked)
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert "undecided" in ended.out
    assert "1 of 4 calls failed" in ended.out
    assert "bad_request" in ended.out


def test_run_without_own_variant_judges_no_gate(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    ended = harness("run", "--variant", "gpt")
    assert ended.code == 0
    assert "triage: gates are not judged" in ended.out
    assert "own variant" in ended.out


NOT_JUDGED = re.compile(r"triage: gates are not judged, .*local@fake")


def test_unfinished_run_judges_no_gate(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + "\n[prices.fake-model]\nprompt_usd = 1.0\ncompletion_usd = 1.0\n")
    ended = harness("run", "--budget", "0")
    assert ended.code == 3
    assert NOT_JUDGED.search(ended.out)
    server.close()
    ended = harness("run", "--backend", "fake")
    assert ended.code == 2
    assert NOT_JUDGED.search(ended.out)
    assert "own variant" not in ended.out


def test_most_frequent_failure_is_printed(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = lambda asked: (
        correct_reply(asked) if "Say OK" in asked.prompt else Reply(status=400, json={"error": {"message": "too long"}})
    )
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert "triage local@fake: 4 of 4 calls failed" in ended.err
    assert "bad_request: " in ended.err
    assert "too long" in ended.err


def test_ten_percent_failed_calls_leave_all_gates_undecided(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    cases(served, 300)
    served.eval("[gates]\nmin_accuracy = 0.5\nmin_compliance = 0.5\n")
    server.answer = lambda asked: Reply(status=500) if "7\n" in asked.prompt else Reply("billing")
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert ended.out.count("30 of 300 calls failed") >= 2
    assert "0 passed" in ended.out


def test_gate_that_needs_more_cases_is_undecided(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = correct_reply
    served.eval("[gates]\nmin_accuracy = 0.9\nmin_compliance = 0.4\n")
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    needs = "min_accuracy 0.9 needs 35 cases, all of them right; the set has 4 cases"
    observed = "min_accuracy is undecided: strict accuracy 100.0% (4 of 4), 95% lower bound 51.0%"
    out = " ".join(ended.out.split())
    assert f"undecided triage local@fake: {observed}. {needs}" in out
    assert "passed triage local@fake: compliance" in out
    assert f"triage.toml:6: {needs}" in ended.err


def test_gate_that_needs_more_cases_can_be_proven_to_fail(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = lambda _: Reply("none of these")
    served.eval("[gates]\nmin_accuracy = 0.9\n")
    ended = harness("run", "--variant", "local")
    assert ended.code == 1
    assert "failed" in ended.out


@pytest.mark.parametrize("source", ["flag", "file", "environment"])
def test_strict_does_not_start_with_an_undecidable_gate(
    harness: Terminal, served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    served.eval("[gates]\nmin_accuracy = 0.9\n")
    if source == "file":
        path = served.root / "harness.toml"
        path.write_text(path.read_text() + "\n[run]\nstrict = true\n")
    if source == "environment":
        monkeypatch.setenv("HARNESS_STRICT", "1")
    ended = harness("run", *(["--strict"] if source == "flag" else []))
    assert ended.code == 2
    assert "min_accuracy 0.9 needs 35 cases" in ended.err
    assert not server.prompts
