"""`harness run` as a judge: what the gates say, which exit code follows, and when nothing is judged."""

from __future__ import annotations

import pytest

from ..support.cli import Terminal
from ..support.knowing import knows
from ..support.project import Project
from ..support.running import cases
from ..support.servers import FakeOpenAI, Reply


@pytest.mark.parametrize(
    ("gates", "code", "said"),
    [
        ("", 0, ""),
        ("[gates]\nmin_compliance = 0.4\n", 0, "passed"),
        ("[gates]\nmax_p95_latency_s = 1e-9\n", 1, "failed"),
    ],
)
def test_gates_decide_the_exit_code(
    harness: Terminal, served: Project, server: FakeOpenAI, gates: str, code: int, said: str
) -> None:
    server.answer = knows
    served.eval(gates)
    ended = harness("run")
    assert ended.code == code
    assert said in ended.out
    assert "gpt@fake: " not in ended.out  # only the backend's own variant is judged


def test_gates_are_not_judged_on_a_sample(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.9\n")
    ended = harness("run", "--limit", "2")
    assert ended.code == 0
    assert "gates are not judged on a sample (2 cases)" in ended.out


def test_a_run_with_failed_calls_cannot_pass_a_gate(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.1\n")
    server.answer = lambda asked: Reply(status=400) if "Easter" in asked.prompt else knows(asked)
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert "undecided" in ended.out
    assert "1 of 4 calls failed (1 bad_request)" in ended.out


def test_gates_that_are_not_judged_are_told(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    ended = harness("run", "--variant", "gpt")
    assert ended.code == 0
    assert "triage: no gate is judged, because no backend was run with the variant it is tuned for" in ended.out


def test_gates_of_runs_that_were_not_finished_are_told(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + "\n[prices.fake-model]\nprompt_usd = 1.0\ncompletion_usd = 1.0\n")
    ended = harness("run", "--budget", "0")
    assert ended.code == 3
    assert "triage: no gate is judged, because no run of local@fake was finished" in ended.out
    server.close()
    ended = harness("run", "--backend", "fake")
    assert ended.code == 2
    assert "triage: no gate is judged, because no run of local@fake was finished" in ended.out
    assert "tuned for" not in ended.out


def test_the_commonest_reason_of_failed_calls_is_told(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = lambda asked: (
        knows(asked) if "Say OK" in asked.prompt else Reply(status=400, json={"error": {"message": "too long"}})
    )
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert "triage local@fake: 4 of 4 calls failed, most of them: bad_request: " in ended.err
    assert "too long" in ended.err


def test_a_tenth_of_failed_calls_leaves_every_gate_undecided(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    cases(served, 300)
    served.eval("[gates]\nmin_accuracy = 0.5\nmin_compliance = 0.5\n")
    server.answer = lambda asked: Reply(status=500) if "7\n" in asked.prompt else Reply("billing")
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert ended.out.count("30 of 300 calls failed (30 server)") >= 2
    assert "passed" not in ended.out
