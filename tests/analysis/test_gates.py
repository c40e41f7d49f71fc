"""A gate passes by the end of the interval that proves the point, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.analysis import gates
from harness.analysis.compare import ComparisonQuestion, compare
from harness.analysis.gates import Evidence, GateResult, GateStatus
from harness.analysis.metrics.summary import summarize
from harness.core.types import CallError, Case, Reading, Response, Result, Score
from harness.project.evals import GateConfig
from harness.project.pricing import Price

from .compare.sides import made


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


def judged(gate: str, of: list[Result], evidence: dict[str, Any] | None = None, **limits: Any) -> GateResult:
    """One gate, judged by these results and whatever else there is."""
    told = Evidence("local@x", summarize(of), tuple(of), ("billing", "technical"), **(evidence or {}))
    return gates.judge(gate, GateConfig.model_validate(limits), told)


@pytest.mark.parametrize(
    ("right", "wrong", "limit", "verdict"),
    [
        pytest.param(98, 2, 0.90, GateStatus.PASSED, id="98% of 100: the interval starts at 93%"),
        pytest.param(92, 8, 0.90, GateStatus.FAILED, id="92% of 100 is no proof of 90%"),
        pytest.param(920, 80, 0.90, GateStatus.PASSED, id="92% of 1,000 is"),
        pytest.param(10, 0, 0.90, GateStatus.FAILED, id="10 of 10 prove little"),
        pytest.param(80, 20, 0.90, GateStatus.FAILED, id="80%"),
    ],
)
def test_a_rate_is_judged_by_the_lower_end_of_its_interval(
    right: int, wrong: int, limit: float, verdict: GateStatus
) -> None:
    result = judged("min_accuracy", results(right, wrong), min_accuracy=limit)
    assert result.verdict is verdict


def test_the_message_holds_rate_count_interval_and_limit() -> None:
    result = judged("min_compliance", results(92, 8), min_compliance=0.9)
    assert result.message == (
        "local@x: compliance 92.0% (92 of 100), 95% interval 85.0% to 95.9%: its lower end is below min_compliance = 0.9; "
        "the observed rate is not, so more cases may prove it"
    )


@pytest.mark.parametrize("failed", [1, 10])
def test_no_gate_passes_beside_a_failed_call(failed: int) -> None:
    result = judged("min_accuracy", results(100, 0, failed), min_accuracy=0.1)
    assert result.verdict is GateStatus.UNDECIDED
    assert f"{failed} of {100 + failed} calls failed ({failed} timeout)" in result.message


def test_a_run_without_any_answer_decides_nothing() -> None:
    assert judged("min_accuracy", [], min_accuracy=0.1).verdict is GateStatus.UNDECIDED


@pytest.mark.parametrize(("latency_s", "verdict"), [(0.5, GateStatus.PASSED), (2.5, GateStatus.FAILED)])
def test_latency_is_judged_at_the_95th_percentile(latency_s: float, verdict: GateStatus) -> None:
    found = judged("max_p95_latency_s", results(20, 0, latency_s=latency_s), max_p95_latency_s=1.0)
    assert found.verdict is verdict


class TestPoint:
    def test_the_observed_value_alone_is_an_opt_out_that_says_so(self) -> None:
        found = judged("min_accuracy", results(92, 8), min_accuracy=0.9, judge="point")
        assert found.verdict is GateStatus.PASSED
        assert found.message.endswith("min_accuracy = 0.9, judged by the point alone")


class TestTags:
    def test_a_tag_has_limits_of_its_own(self) -> None:
        of = [replace(r, case=replace(r.case, tags=("hard",))) if i % 2 else r for i, r in enumerate(results(98, 2))]
        limits = {"tag": {"hard": {"min_accuracy": 0.95}}, "min_accuracy": 0.9}
        assert gates.names(GateConfig.model_validate(limits)) == ["min_accuracy", "tag.hard.min_accuracy"]
        found = judged("tag.hard.min_accuracy", of, **limits)
        assert found.verdict is GateStatus.FAILED
        assert found.message.startswith("local@x: tag hard: strict accuracy 98.0% (49 of 50)")

    def test_a_tag_that_no_case_has_decides_nothing(self) -> None:
        found = judged("tag.hard.min_accuracy", results(9, 1), tag={"hard": {"min_accuracy": 0.5}})
        assert (found.verdict, found.message) == (GateStatus.UNDECIDED, "local@x: tag hard: no case has tag 'hard'")


class TestCost:
    def test_price_times_tokens(self) -> None:
        of = [replace(r, response=replace(r.response, prompt_tokens=100, completion_tokens=10)) for r in results(4, 0)]
        cheap = judged("max_cost_per_1k", of, {"price": Price(2.0, 10.0, None, "a list")}, max_cost_per_1k=0.31)
        assert (cheap.verdict, cheap.message) == (
            *(GateStatus.PASSED, "local@x: 0.3 USD per 1,000 calls by a list, max_cost_per_1k = 0.31"),
        )
        assert (
            judged("max_cost_per_1k", of, {"price": Price(2.0, 10.0, None, "a list")}, max_cost_per_1k=0.29).verdict
            is GateStatus.FAILED
        )

    def test_without_a_price_nothing_is_known(self) -> None:
        assert judged("max_cost_per_1k", results(4, 0), max_cost_per_1k=1.0).verdict is GateStatus.UNDECIDED


class TestMacroF1:
    def test_it_is_judged_by_its_interval(self) -> None:
        found = judged("min_macro_f1", results(90, 10), min_macro_f1=0.4)
        assert found.verdict is GateStatus.PASSED
        assert "macro-F1 47.4%" in found.message
        assert judged("min_macro_f1", results(90, 10), min_macro_f1=0.47).verdict is GateStatus.FAILED

    @pytest.mark.parametrize(("n", "verdict"), [(300, GateStatus.PASSED), (20, GateStatus.FAILED)])
    def test_a_perfect_run_passes_where_it_has_cases_enough(self, n: int, verdict: GateStatus) -> None:
        def other(r: Result) -> Result:
            reading = Reading("technical", "technical", compliant=True)
            return replace(r, case=replace(r.case, expected="technical"), reading=reading)

        of = [other(r) if i % 2 else r for i, r in enumerate(results(n, 0))]
        assert judged("min_macro_f1", of, min_macro_f1=0.9).verdict is verdict


class TestComparisons:
    @pytest.mark.parametrize(
        ("head", "margin", "verdict"),
        [
            ("R" * 300, 0.03, GateStatus.PASSED),
            ("R" * 200 + "w" * 100, 0.03, GateStatus.FAILED),
            ("R" * 290 + "w" * 10, 0.03, GateStatus.UNDECIDED),
        ],
    )
    def test_the_margin_is_judged_against_the_reference(self, head: str, margin: float, verdict: GateStatus) -> None:
        told = compare(made("R" * 300, "gpt@gpt-4o"), made(head), ComparisonQuestion("move", margin))
        found = judged("margin", results(300, 0), {"reference": told}, margin=margin)
        assert found.verdict is verdict
        assert "against gpt@gpt-4o: " in found.message

    def test_a_regression_names_the_cases(self) -> None:
        told = compare(made("R" * 300), made("R" * 288 + "w" * 12), ComparisonQuestion("change", 0.02))
        found = judged("max_regression", results(288, 12), {"baseline": told}, max_regression=0.02)
        assert found.verdict is GateStatus.FAILED
        assert "right → wrong: c288, c289" in found.message

    def test_flips_are_counted_even_if_as_many_went_the_other_way(self) -> None:
        told = compare(made("R" * 97 + "www"), made("www" + "R" * 97), ComparisonQuestion("change"))
        assert judged("max_flips", results(97, 3), {"baseline": told}, max_flips=3).verdict is GateStatus.PASSED
        assert judged("max_flips", results(97, 3), {"baseline": told}, max_flips=2).verdict is GateStatus.FAILED

    @pytest.mark.parametrize("gate", ["margin", "max_regression", "max_flips"])
    def test_with_nothing_to_compare_with_nothing_is_decided(self, gate: str) -> None:
        assert (
            judged(gate, results(10, 0), **{gate: 1 if gate == "max_flips" else 0.03}).verdict is GateStatus.UNDECIDED
        )


def test_only_the_gates_that_an_eval_sets_are_judged() -> None:
    assert gates.names(GateConfig(min_compliance=0.5)) == ["min_compliance"]
