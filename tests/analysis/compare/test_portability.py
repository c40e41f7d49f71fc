"""Portability: whether one of two prompts serves two backends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.compare import ReasonCode
from harness.analysis.compare.portability import Portability, PortabilityAdvice, PortabilityReason, portability

from .sides import made

NAMES = "gpt-4o", "mistral-q4"


def portability_of(
    gpt_cand: str, local_cand: str, gpt_ref: str = "", local_ref: str = "", margin: float = 0.03
) -> Portability:
    """The four cells, a letter per case; without the last two, the reference has no run."""
    candidate = made(gpt_cand, "gpt@mistral-q4"), made(local_cand, "local@mistral-q4")
    reference = (made(gpt_ref, "gpt@gpt-4o"), made(local_ref, "local@gpt-4o")) if gpt_ref else None
    return portability(candidate, reference, NAMES, margin)


GAIN = "w" * 100 + "R" * 200, "R" * 300
EQUAL = "R" * 300, "R" * 300
LOSS = "R" * 300, "w" * 100 + "R" * 200


class TestAdvice:
    def test_two_prompts_if_the_candidates_gains_and_costs(self) -> None:
        result = portability_of(*GAIN, *LOSS)
        assert result.advice is PortabilityAdvice.TWO
        assert result.reason is PortabilityReason.CANDIDATE_PROMPT_GAINS
        assert result.transfer.strict.paired.delta == pytest.approx(1 / 3)
        assert result.cost
        assert result.cost.strict.paired.delta == pytest.approx(-1 / 3)

    def test_one_prompt_if_the_references_is_as_good(self) -> None:
        result = portability_of(*EQUAL, *EQUAL)
        assert result.advice is PortabilityAdvice.ONE
        assert result.reason is PortabilityReason.REFERENCE_PROMPT_SERVES

    def test_one_prompt_if_the_references_is_better(self) -> None:
        assert portability_of(*LOSS, *EQUAL).reason is PortabilityReason.REFERENCE_PROMPT_SERVES

    def test_one_prompt_if_the_candidates_costs_nothing(self) -> None:
        result = portability_of(*GAIN, *EQUAL)
        assert result.advice is PortabilityAdvice.ONE
        assert result.reason is PortabilityReason.CANDIDATE_PROMPT_SERVES

    def test_two_prompts_if_the_cost_may_exceed_the_margin(self) -> None:
        result = portability_of(*GAIN, "R" * 300, "R" * 292 + "w" * 8)
        assert result.advice is PortabilityAdvice.TWO
        assert result.cost
        assert result.cost.strict.paired.delta == pytest.approx(-8 / 300)

    def test_few_cases_give_the_number_needed(self) -> None:
        result = portability_of("R" * 20, "R" * 19 + "w", "R" * 20, "R" * 20)
        assert result.advice is PortabilityAdvice.UNKNOWN
        assert result.needed is not None
        assert result.reason is PortabilityReason.NOT_PROVEN
        assert result.needed > 20

    def test_wider_margin_lets_one_prompt_serve(self) -> None:
        cells = "R" * 290 + "w" * 10, "R" * 300
        assert portability_of(*cells, *LOSS).advice is PortabilityAdvice.TWO
        assert portability_of(*cells, *LOSS, margin=0.10).advice is PortabilityAdvice.ONE


class TestWithoutTheReference:
    def test_transfer_alone_can_show_two_prompts(self) -> None:
        result = portability_of(*GAIN)
        assert (result.cost, result.interaction) == (None, None)
        assert result.reason is PortabilityReason.CANDIDATE_PROMPT_GAINS
        assert not result.is_cost_measured

    def test_references_prompt_may_still_serve_both(self) -> None:
        result = portability_of(*EQUAL)
        assert result.advice is PortabilityAdvice.ONE
        assert not result.is_cost_measured


class TestObstacles:
    def test_failed_calls_that_could_change_the_advice(self) -> None:
        result = portability_of("R" * 300, "R" * 260 + "E" * 40, *EQUAL)
        assert result.advice is PortabilityAdvice.ONE, (
            "no answer of the failed calls makes the reference's prompt worse"
        )
        result = portability_of("R" * 260 + "E" * 40, "R" * 300, *LOSS)
        assert result.advice is PortabilityAdvice.UNKNOWN
        assert (result.reason, result.failed) == (PortabilityReason.FAILED_CALLS, 40)

    def test_different_cases_on_the_candidate(self) -> None:
        result = portability_of("R" * 300, "R" * 299, *EQUAL)
        assert result.advice is PortabilityAdvice.UNKNOWN
        assert result.reason is PortabilityReason.INCOMPARABLE
        assert result.transfer.reason.code is ReasonCode.CASES

    def test_different_cases_on_the_reference_leave_transfer(self) -> None:
        result = portability_of(*GAIN, "R" * 300, "R" * 299)
        assert result.advice is PortabilityAdvice.TWO
        assert result.interaction is None
        assert not result.is_cost_measured
        assert result.cost
        assert result.cost.reason.code is ReasonCode.CASES


class TestInteraction:
    def test_interaction_is_the_difference_of_differences(self) -> None:
        result = portability_of(*GAIN, *LOSS)
        assert result.interaction is not None
        assert (result.n, result.interaction.delta) == (300, pytest.approx(2 / 3))
        assert result.interaction.low > 0.5

    def test_interaction_covers_unedited_cases_of_all_cells(self) -> None:
        candidate = made("wwww", "gpt@mistral-q4"), made("RRRR", "local@mistral-q4")
        there = made("RRRE", "gpt@gpt-4o")
        edited = replace(there, cases={**there.cases, "c0": replace(there.cases["c0"], digest="other")})
        result = portability(candidate, (edited, edited), NAMES)
        assert result.n == 2

    @given(st.lists(st.tuples(*[st.sampled_from("Rpw-")] * 4), min_size=1, max_size=60))
    def test_interaction_equals_transfer_minus_cost(self, cases: list[tuple[str, ...]]) -> None:
        result = portability_of(*("".join(letters) for letters in zip(*cases, strict=True)))
        assert result.interaction is not None
        assert result.cost is not None
        gaps = result.transfer.strict.paired.delta - result.cost.strict.paired.delta
        assert result.interaction.delta == pytest.approx(gaps)
        assert result.interaction.low <= result.interaction.delta <= result.interaction.high
