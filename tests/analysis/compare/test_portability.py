"""Both prompts on both backends: what the prompt is worth, and whether one of them serves both."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.compare.portability import Portability, PortabilityAdvice, portability

from .sides import made

NAMES = "gpt-4o", "mistral-q4"


def asked(gpt_cand: str, local_cand: str, gpt_ref: str = "", local_ref: str = "", margin: float = 0.03) -> Portability:
    """The four cells, a letter per case; without the last two the reference was not asked."""
    candidate = made(gpt_cand, "gpt@mistral-q4"), made(local_cand, "local@mistral-q4")
    reference = (made(gpt_ref, "gpt@gpt-4o"), made(local_ref, "local@gpt-4o")) if gpt_ref else None
    return portability(candidate, reference, NAMES, margin)


GAIN = "w" * 100 + "R" * 200, "R" * 300
EQUAL = "R" * 300, "R" * 300
LOSS = "R" * 300, "w" * 100 + "R" * 200


class TestAdvice:
    def test_two_prompts_where_the_candidates_own_gains_and_costs_the_reference(self) -> None:
        found = asked(*GAIN, *LOSS)
        assert found.advice is PortabilityAdvice.TWO
        assert found.sentence == (
            "Keep two prompts: the local one gains 33.3 points (28.2 to 38.8) on mistral-q4 (right there: gpt 66.7%, "
            "local 100.0%), and costs 33.3 points (28.2 to 38.8) on gpt-4o."
        )

    def test_one_where_the_references_is_as_good_on_the_candidate(self) -> None:
        found = asked(*EQUAL, *EQUAL)
        assert found.advice is PortabilityAdvice.ONE
        assert "the gpt one is within 3 points of the local one (local − gpt +0.0," in found.sentence

    def test_one_where_the_references_is_better_even_there(self) -> None:
        assert "on mistral-q4 the gpt one is better than the local one" in asked(*LOSS, *EQUAL).sentence

    def test_one_where_the_candidates_own_gains_and_costs_the_reference_nothing(self) -> None:
        found = asked(*GAIN, *EQUAL)
        assert found.advice is PortabilityAdvice.ONE
        assert found.sentence.startswith("One prompt serves both: the local one gains 33.3 points")
        assert "stays within 3 points of the gpt one on gpt-4o" in found.sentence

    def test_two_where_it_is_not_shown_that_the_reference_would_lose_nothing(self) -> None:
        found = asked(*GAIN, "R" * 300, "R" * 292 + "w" * 8)
        assert found.advice is PortabilityAdvice.TWO
        assert "is not shown to be within 3 points of the gpt one on gpt-4o" not in found.sentence
        assert "costs 2.7 points" in found.sentence

    def test_few_cases_tell_nothing_but_how_many_would(self) -> None:
        found = asked("R" * 20, "R" * 19 + "w", "R" * 20, "R" * 20)
        assert found.advice is PortabilityAdvice.UNKNOWN
        assert found.needed is not None
        assert "Cannot tell from 20 cases whether one prompt serves both: on mistral-q4 local − gpt is -5.0" in (
            found.sentence
        )
        assert f"about {found.needed:,} cases would settle it" in found.sentence

    def test_a_wider_margin_lets_one_prompt_serve_where_a_narrow_one_does_not(self) -> None:
        cells = "R" * 290 + "w" * 10, "R" * 300
        assert asked(*cells, *LOSS).advice is PortabilityAdvice.TWO
        assert asked(*cells, *LOSS, margin=0.10).advice is PortabilityAdvice.ONE


class TestWithoutTheReference:
    def test_the_transfer_gap_stands_alone_and_it_is_said(self) -> None:
        found = asked(*GAIN)
        assert (found.cost, found.interaction) == (None, None)
        assert found.sentence.startswith("Keep two prompts: the local one gains 33.3 points (28.2 to 38.8)")
        assert found.sentence.endswith(
            "gpt-4o was not asked with both, so whether it would serve there, too, is not known."
        )

    def test_the_references_prompt_may_still_serve_both(self) -> None:
        found = asked(*EQUAL)
        assert found.advice is PortabilityAdvice.ONE
        assert "what the local one would cost there is not known" in found.sentence


class TestWhatStandsAgainst:
    def test_failed_calls_that_could_change_the_advice(self) -> None:
        found = asked("R" * 300, "R" * 260 + "E" * 40, *EQUAL)
        assert found.advice is PortabilityAdvice.ONE, (
            "whatever they would have said, the reference's prompt is no worse"
        )
        found = asked("R" * 260 + "E" * 40, "R" * 300, *LOSS)
        assert found.advice is PortabilityAdvice.UNKNOWN
        assert "40 calls failed, so run with --resume" in found.sentence

    def test_other_cases_on_the_candidate(self) -> None:
        found = asked("R" * 300, "R" * 299, *EQUAL)
        assert found.advice is PortabilityAdvice.UNKNOWN
        assert "the runs are not over the same cases" in found.sentence

    def test_other_cases_on_the_reference_leave_the_transfer_gap(self) -> None:
        found = asked(*GAIN, "R" * 300, "R" * 299)
        assert found.advice is PortabilityAdvice.TWO
        assert found.interaction is None
        assert "gpt-4o was not asked with both (the runs are not over the same cases" in found.sentence


class TestInteraction:
    def test_it_is_the_difference_of_both_differences(self) -> None:
        found = asked(*GAIN, *LOSS)
        assert found.interaction is not None
        assert (found.n, found.interaction.delta) == (300, pytest.approx(2 / 3))
        assert found.interaction.low > 0.5

    def test_it_is_over_the_cases_that_all_four_answered_as_they_were(self) -> None:
        candidate = made("wwww", "gpt@mistral-q4"), made("RRRR", "local@mistral-q4")
        there = made("RRRE", "gpt@gpt-4o")
        edited = replace(there, cases={**there.cases, "c0": replace(there.cases["c0"], digest="other")})
        found = portability(candidate, (edited, edited), NAMES)
        assert found.n == 2

    @given(st.lists(st.tuples(*[st.sampled_from("Rpw-")] * 4), min_size=1, max_size=60))
    def test_its_value_is_the_transfer_gap_minus_the_cost(self, cases: list[tuple[str, ...]]) -> None:
        found = asked(*("".join(letters) for letters in zip(*cases, strict=True)))
        assert found.interaction is not None
        assert found.cost is not None
        gaps = found.transfer.strict.paired.delta - found.cost.strict.paired.delta
        assert found.interaction.delta == pytest.approx(gaps)
        assert found.interaction.low <= found.interaction.delta <= found.interaction.high
