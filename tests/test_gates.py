"""A gate passes by the end of the interval that proves the point, and by nothing else."""

from __future__ import annotations

import pytest

from harness import gates
from harness.evals import GateConfig
from harness.gates import Verdict
from harness.metrics.summary import summarize
from harness.types import CallError, Case, Reading, Response, Result, Score


def results(right: int, wrong: int, failed: int = 0, latency_s: float = 0.1) -> list[Result]:
    """Answers that are right (and compliant), wrong (and not), or missing."""

    def one(number: int, reading: Reading | None, score: Score | None, error: CallError | None = None) -> Result:
        case = Case(f"c-{number}", {"text": "?"}, "billing")
        return Result(case, Response("x", latency_s=latency_s, error=error), reading, score, "key")

    good = (Reading("billing", "billing", compliant=True), Score(strict=True, lenient=True))
    bad = (Reading(None, None, compliant=False, violations=("no_answer",)), Score(strict=False, lenient=False))
    return [
        *(one(i, *good) for i in range(right)),
        *(one(right + i, *bad) for i in range(wrong)),
        *(one(right + wrong + i, None, None, CallError("timeout", "no answer")) for i in range(failed)),
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "limit", "verdict"),
    [
        pytest.param(98, 2, 0.90, Verdict.PASSED, id="98% of 100: the interval starts at 93%"),
        pytest.param(92, 8, 0.90, Verdict.FAILED, id="92% of 100 is no proof of 90%"),
        pytest.param(920, 80, 0.90, Verdict.PASSED, id="92% of 1,000 is"),
        pytest.param(10, 0, 0.90, Verdict.FAILED, id="10 of 10 prove little"),
        pytest.param(80, 20, 0.90, Verdict.FAILED, id="80%"),
    ],
)
def test_a_rate_is_judged_by_the_lower_end_of_its_interval(
    right: int, wrong: int, limit: float, verdict: Verdict
) -> None:
    result = gates.judge("min_accuracy", GateConfig(min_accuracy=limit), "local@x", summarize(results(right, wrong)))
    assert result.verdict is verdict


def test_the_message_holds_rate_count_interval_and_limit() -> None:
    result = gates.judge("min_compliance", GateConfig(min_compliance=0.9), "local@x", summarize(results(92, 8)))
    assert result.message == (
        "local@x: compliance 92.0% (92 of 100), 95% interval 85.0% to 95.9%: its lower end is below min_compliance = 0.9; "
        "the observed rate is not, so more cases may prove it"
    )


@pytest.mark.parametrize("failed", [1, 10])
def test_no_gate_passes_beside_a_failed_call(failed: int) -> None:
    result = gates.judge("min_accuracy", GateConfig(min_accuracy=0.1), "local@x", summarize(results(100, 0, failed)))
    assert result.verdict is Verdict.UNDECIDED
    assert f"{failed} of {100 + failed} calls failed ({failed} timeout)" in result.message


def test_a_run_without_any_answer_decides_nothing() -> None:
    assert gates.judge("min_accuracy", GateConfig(min_accuracy=0.1), "c", summarize([])).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(("latency_s", "verdict"), [(0.5, Verdict.PASSED), (2.5, Verdict.FAILED)])
def test_latency_is_judged_at_the_95th_percentile(latency_s: float, verdict: Verdict) -> None:
    summary = summarize(results(20, 0, latency_s=latency_s))
    assert gates.judge("max_p95_latency_s", GateConfig(max_p95_latency_s=1.0), "c", summary).verdict is verdict


def test_only_the_gates_that_an_eval_sets_are_judged() -> None:
    assert gates.names(GateConfig(min_compliance=0.5)) == ["min_compliance"]
