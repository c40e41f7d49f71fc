"""Ladder steps compared with the first, and the noise floor. All runs are fakes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.compare import ComparisonQuestion, ReasonCode, Verdict, compare, outcomes_of
from harness.analysis.compare.ladder import Ladder, climb
from harness.analysis.compare.noise import beyond, floor
from harness.analysis.stats import Interval
from harness.core.types import Run
from harness.report.portability_text import speed_text

from ...report.fakes import fake_case, fake_error, fake_result, small_run

STEPS = ("fp16", "q8", "q2")


def step(backend: str, outcomes: str, latency: float = 1.0, run_id: str = "", **fingerprint: str) -> Run:
    """A run: `R` right, `w` wrong, `E` failed; each reply has two tokens and takes `latency` seconds."""
    results = []
    for i, letter in enumerate(outcomes):
        case, label = fake_case(i), "billing" if letter == "R" else "general"
        made = fake_result(case, f"{label} {letter}", (label, label), latency=latency)
        results.append(fake_error(case) if letter == "E" else made)
    run = small_run(results, "local", backend, **({"run_id": run_id} if run_id else {}))
    told = {**run.manifest.fingerprint, "quantization": backend.upper(), **fingerprint}
    return replace(run, manifest=replace(run.manifest, fingerprint=told))


def climbed(*runs: Run, noise: bool = False) -> Ladder:
    same = step("fp16", "R" * 300, run_id="a"), step("fp16", "R" * 297 + "www", run_id="b")
    ladder_found = climb("mistral", STEPS, runs, noise=floor(same) if noise else None)
    assert ladder_found
    return ladder_found


class TestSteps:
    def test_each_step_is_compared_with_the_first(self) -> None:
        ladder_found = climbed(
            step("fp16", "R" * 300, 2.9), step("q8", "R" * 300), step("q2", "R" * 200 + "w" * 100, 5.8)
        )
        assert [(s.label, s.comparison and s.comparison.verdict) for s in ladder_found.steps] == [
            ("FP16", None),
            ("Q8", Verdict.MOVE),
            ("Q2", Verdict.STAY),
        ]
        assert [s.faster and round(s.faster.value, 2) for s in ladder_found.steps] == [None, 2.9, 0.5]

    def test_open_step_has_the_number_of_cases_needed(self) -> None:
        ladder_found = climbed(step("fp16", "R" * 40), step("q8", "R" * 40)).steps[1]
        assert ladder_found.comparison
        assert ladder_found.comparison.reason.code is ReasonCode.MORE_CASES
        assert ladder_found.comparison.needed

    def test_failed_calls_can_leave_a_step_open(self) -> None:
        ladder_found = climbed(step("fp16", "R" * 300), step("q8", "R" * 270 + "E" * 30)).steps[1]
        assert ladder_found.comparison
        assert ladder_found.comparison.reason.code is ReasonCode.FAILED_CALLS

    def test_steps_over_different_cases_are_incomparable(self) -> None:
        ladder_found = climbed(step("fp16", "R" * 300), step("q8", "R" * 299)).steps[1]
        assert ladder_found.comparison
        assert (ladder_found.comparison.verdict, ladder_found.comparison.reason.code) == (
            Verdict.INCOMPARABLE,
            ReasonCode.CASES,
        )

    def test_tokens_per_second_use_the_latency_of_their_calls(self) -> None:
        first, second = climbed(step("fp16", "RRE", 0.5), step("q8", "RRR", 0.25)).steps
        assert (first.tokens_per_s, second.tokens_per_s) == (4.0, 8.0)
        assert first.faster is None
        assert second.faster is not None
        assert (second.faster.low, second.faster.value, second.faster.high) == pytest.approx((2, 2, 2))
        assert second.quartiles == (0.25, 0.25)

    def test_server_times_take_precedence(self) -> None:
        run = step("q8", "RR", 0.5)
        told = tuple(replace(r, response=replace(r.response, prompt_s=0.1, generation_s=0.25)) for r in run.results)
        _, second = climbed(step("fp16", "RR", 0.5), replace(run, results=told)).steps
        assert (second.prompt_s, second.tokens_per_s) == (0.1, 8.0)

    def test_size_is_that_of_the_manifest(self) -> None:
        small = step("q8", "R")
        ladder_found = climbed(step("fp16", "R"), replace(small, manifest=replace(small.manifest, model_bytes=1000)))
        assert [s.model_bytes for s in ladder_found.steps] == [None, 1000]

    def test_equal_quantizations_are_labelled_by_backend(self) -> None:
        ladder_found = climbed(step("fp16", "R", quantization="Q8_0"), step("q8", "R", quantization="Q8_0"))
        assert [s.label for s in ladder_found.steps] == ["fp16", "q8"]


def test_missing_step_is_listed_and_missing_first_is_none() -> None:
    runs = step("fp16", "RR"), step("q2", "RR")
    assert climbed(*runs).missing == ("q8",)
    assert climb("mistral", STEPS, runs[1:]) is None
    assert climb("mistral", STEPS, runs[:1]) is None


@pytest.mark.parametrize(
    ("faster", "text"),
    [
        (Interval(2.94, 2.7, 3.2), "2.9x faster (2.7 to 3.2)"),
        (Interval(0.5, 0.4, 0.625), "2.0x slower (1.6 to 2.5)"),
        (Interval(1.03, 1.01, 1.05), "as fast"),
        (Interval(1.4, 0.9, 2.2), "no difference in speed shown"),
    ],
)
def test_speed_is_claimed_only_if_the_interval_shows_it(faster: Interval, text: str) -> None:
    assert speed_text(faster) == text


class TestNoise:
    def test_floor_compares_two_identical_runs(self) -> None:
        ladder_found = floor(
            [step("q8", "R" * 10), step("fp16", "R" * 10, run_id="a"), step("fp16", "R" * 8 + "ww", run_id="b")]
        )
        assert ladder_found
        assert (ladder_found.answers_changed, ladder_found.n) == (2, 10)

    def test_different_prompt_is_no_noise_floor(self) -> None:
        assert floor([step("fp16", "RR"), step("fp16", "Rw", prompt_hash="sha256:other")]) is None

    def test_cached_answers_are_no_noise_floor(self) -> None:
        run = step("fp16", "RR")
        cached = replace(run, results=tuple(replace(result, cached=True) for result in run.results))
        assert floor([run, cached]) is None

    def test_net_changes_subtract_the_noise(self) -> None:
        ladder_found = climbed(step("fp16", "R" * 300), step("q2", "R" * 280 + "w" * 20), noise=True).steps[1]
        assert ladder_found.net_changes == pytest.approx(17)

    def test_fewer_changes_than_noise_are_zero(self) -> None:
        noise = floor([step("fp16", "RRRR", run_id="a"), step("fp16", "RRww", run_id="b")])
        assert noise
        same = compare(outcomes_of(step("fp16", "RRRR")), outcomes_of(step("q8", "RRRR")), ComparisonQuestion("change"))
        assert (beyond(same, noise), same.verdict) == (0.0, Verdict.INCONCLUSIVE)
