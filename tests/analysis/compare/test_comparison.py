"""Comparisons of two runs: verdicts, their reasons, flips, parts and slices."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.compare import ComparisonQuestion, ReasonCode, Verdict, VerdictReason, compare
from harness.analysis.stats import paired

from .sides import made

CHANGE = ComparisonQuestion("change", 0.03)
MOVE = ComparisonQuestion("move", 0.03)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("question", "base", "head", "verdict"),
        [
            (CHANGE, "R" * 300, "R" * 288 + "w" * 12, Verdict.REGRESSED),
            (CHANGE, "R" * 288 + "w" * 12, "R" * 300, Verdict.IMPROVED),
            (CHANGE, "R" * 300, "R" * 300, Verdict.OK),
            (CHANGE, "R" * 1000, "R" * 993 + "w" * 7, Verdict.OK),  # a proven drop, within what may be lost
            (CHANGE, "R" * 20, "R" * 20, Verdict.INCONCLUSIVE),
            (CHANGE, "R" * 20, "R" * 18 + "ww", Verdict.INCONCLUSIVE),
            (MOVE, "R" * 300, "R" * 300, Verdict.MOVE),
            (MOVE, "R" * 300, "R" * 200 + "w" * 100, Verdict.STAY),
            (MOVE, "R" * 300, "R" * 290 + "w" * 10, Verdict.INCONCLUSIVE),
        ],
    )
    def test_the_interval_decides(self, question: ComparisonQuestion, base: str, head: str, verdict: Verdict) -> None:
        assert compare(made(base), made(head), question).verdict is verdict

    def test_open_verdict_has_the_number_of_cases_needed(self) -> None:
        comparison = compare(made("R" * 20), made("R" * 20), CHANGE)
        assert comparison.needed is not None
        assert comparison.needed > 20
        assert comparison.reason.code is ReasonCode.MORE_CASES

    def test_few_cases_give_no_number_of_cases_needed(self) -> None:
        comparison = compare(made("R" * 19), made("R" * 19), CHANGE)
        assert (comparison.verdict, comparison.needed) == (Verdict.INCONCLUSIVE, None)
        assert comparison.reason.code is ReasonCode.TOO_FEW_CASES

    def test_difference_on_the_margin_has_no_number_needed(self) -> None:
        comparison = compare(made("R" * 100), made("R" * 97 + "www"), MOVE)
        assert (comparison.verdict, comparison.needed) == (Verdict.INCONCLUSIVE, None)
        assert comparison.reason.code is ReasonCode.TOO_CLOSE

    def test_wider_margin_changes_the_verdict(self) -> None:
        sides = made("R" * 300), made("R" * 290 + "w" * 10)
        assert compare(*sides, ComparisonQuestion("move", 0.10)).verdict is Verdict.MOVE


class TestIdenticalReplies:
    """Few cases, so that the interval alone proves nothing."""

    BASE = made("R" * 15 + "w" * 5)

    def test_replies_from_the_store_are_identical(self) -> None:
        comparison = compare(self.BASE, replace(self.BASE, run_id="later", from_store=True), CHANGE)
        assert (comparison.verdict, comparison.reason.code) == (Verdict.OK, ReasonCode.IDENTICAL)

    def test_equal_outcomes_of_new_replies_prove_nothing(self) -> None:
        comparison = compare(self.BASE, replace(self.BASE, run_id="later"), CHANGE)
        assert comparison.verdict is Verdict.INCONCLUSIVE

    def test_other_requests_or_outcomes_are_not_identical(self) -> None:
        later = replace(self.BASE, run_id="later", from_store=True)
        other = replace(later, fingerprint={**later.fingerprint, "rendered_hash": "other"})
        for head in (other, replace(made("R" * 14 + "w" * 6), run_id="later", from_store=True)):
            assert compare(self.BASE, head, CHANGE).verdict is Verdict.INCONCLUSIVE

    def test_move_is_never_decided_by_identity(self) -> None:
        head = replace(self.BASE, from_store=True)
        assert compare(self.BASE, head, ComparisonQuestion("move", 0.03)).reason.code is not ReasonCode.IDENTICAL


class TestErrors:
    def test_failed_call_is_not_a_wrong_answer(self) -> None:
        comparison = compare(made("R" * 100 + "R"), made("R" * 100 + "E"), CHANGE)
        assert (comparison.n, comparison.strict.paired.losses) == (100, 0)

    def test_failed_calls_that_could_change_it_open_the_verdict(self) -> None:
        comparison = compare(made("R" * 300), made("R" * 270 + "E" * 30), MOVE)
        assert comparison.verdict is Verdict.INCONCLUSIVE
        assert comparison.reason == VerdictReason(ReasonCode.FAILED_CALLS, worst=Verdict.STAY, best=Verdict.MOVE)

    def test_failed_calls_that_cannot_change_it_keep_the_verdict(self) -> None:
        assert compare(made("R" * 300), made("w" * 299 + "E"), MOVE).verdict is Verdict.STAY


class TestIncomparable:
    def test_different_cases(self) -> None:
        comparison = compare(made("R" * 300), made("R" * 299), CHANGE)
        assert comparison.verdict is Verdict.INCOMPARABLE
        assert (comparison.reason.code, comparison.unequal.only_base) == (ReasonCode.CASES, ("c299",))
        assert compare(made("R" * 300), made("R" * 299), CHANGE, shared=True).verdict is Verdict.OK

    def test_edited_case_is_a_different_case(self) -> None:
        head = made("RR")
        edited = replace(head, cases={**head.cases, "c1": replace(head.cases["c1"], digest="other")})
        comparison = compare(made("RR"), edited, CHANGE)
        assert (comparison.verdict, comparison.unequal.edited, comparison.n) == (Verdict.INCOMPARABLE, ("c1",), 1)

    def test_different_contract_even_with_shared(self) -> None:
        comparison = compare(made("R" * 300), made("R" * 300, contract_hash="sha256:c2"), CHANGE, shared=True)
        assert comparison.verdict is Verdict.INCOMPARABLE
        assert comparison.reason.code is ReasonCode.CONTRACT_SETTINGS

    def test_no_shared_case(self) -> None:
        assert compare(made("EE"), made("RR"), CHANGE).reason.code is ReasonCode.NO_SHARED_CASE


class TestParts:
    def test_flips_of_every_kind(self) -> None:
        comparison = compare(made("RwwpR-"), made("wRvRp-"), CHANGE)
        assert {(flip.kind, flip.case_id) for flip in comparison.flips} == {
            ("right_to_wrong", "c0"),
            ("wrong_to_right", "c1"),
            ("wrong_to_other_wrong", "c2"),
            ("wrong_to_right", "c3"),
            ("not_to_compliant", "c3"),
            ("right_to_wrong", "c4"),
            ("compliant_to_not", "c4"),
        }

    def test_difference_splits_into_capability_and_form(self) -> None:
        comparison = compare(made("R" * 10), made("RRRRRppppw"), CHANGE)
        assert comparison.strict.paired.delta == pytest.approx(-0.5)
        assert comparison.capability_gap.delta == pytest.approx(-0.1)
        assert comparison.format_gap.delta == pytest.approx(-0.4)

    @given(st.lists(st.tuples(st.sampled_from("Rpwv-"), st.sampled_from("Rpwv-")), min_size=1, max_size=40))
    def test_parts_add_up_to_the_difference(self, pairs: list[tuple[str, str]]) -> None:
        base, head = ("".join(letters) for letters in zip(*pairs, strict=True))
        comparison = compare(made(base), made(head), CHANGE)
        assert comparison.capability_gap.delta + comparison.format_gap.delta == pytest.approx(
            comparison.strict.paired.delta
        )
        kinds = [flip.kind for flip in comparison.flips]
        gains, losses = kinds.count("wrong_to_right"), kinds.count("right_to_wrong")
        assert comparison.strict.paired == paired(gains, losses, len(pairs))

    @given(st.text("Rpwv-E", min_size=1, max_size=40))
    def test_run_does_not_differ_from_itself(self, outcomes: str) -> None:
        comparison = compare(made(outcomes), made(outcomes), CHANGE)
        assert comparison.flips == ()
        assert comparison.answers_changed == 0
        assert comparison.verdict not in {Verdict.REGRESSED, Verdict.IMPROVED}

    def test_slice_p_values_are_holm_adjusted(self) -> None:
        tags = {i: "hard" if i < 30 else "easy" for i in range(60)}
        comparison = compare(made("R" * 60, tags=tags), made("w" * 30 + "R" * 30, tags=tags), CHANGE)
        hard, easy = sorted(comparison.slices, key=lambda s: s.name, reverse=True)
        assert (hard.name, hard.strict.paired.delta, easy.strict.paired.delta) == ("hard", -1.0, 0.0)
        assert hard.p == pytest.approx(2 * hard.strict.paired.p)
        assert easy.p == 1.0
