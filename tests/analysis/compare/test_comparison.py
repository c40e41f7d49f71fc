"""Two runs beside each other: what is proven, what is not, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.compare import ComparisonQuestion, Verdict, compare
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

    def test_what_is_not_proven_says_how_many_cases_would_settle_it(self) -> None:
        found = compare(made("R" * 20), made("R" * 20), CHANGE)
        assert found.needed is not None
        assert found.needed > 20
        assert f"about {found.needed:,} cases would settle it (20 were compared)" in found.reason

    def test_a_handful_of_cases_names_no_number(self) -> None:
        found = compare(made("R" * 19), made("R" * 19), CHANGE)
        assert (found.verdict, found.needed) == (Verdict.INCONCLUSIVE, None)
        assert found.reason.endswith("too few cases even to say how many would settle it")

    def test_what_sits_on_the_margin_is_settled_by_no_number(self) -> None:
        found = compare(made("R" * 100), made("R" * 97 + "www"), CHANGE)
        assert (found.verdict, found.needed) == (Verdict.INCONCLUSIVE, None)
        assert "no number of cases settles" in found.reason

    def test_a_wider_margin_moves_what_a_narrow_one_does_not(self) -> None:
        sides = made("R" * 300), made("R" * 290 + "w" * 10)
        assert compare(*sides, ComparisonQuestion("move", 0.10)).verdict is Verdict.MOVE


class TestErrors:
    def test_a_failed_call_is_no_wrong_answer(self) -> None:
        found = compare(made("R" * 100 + "R"), made("R" * 100 + "E"), CHANGE)
        assert (found.n, found.strict.paired.losses) == (100, 0)

    def test_a_verdict_that_failed_calls_could_overturn_is_none(self) -> None:
        found = compare(made("R" * 300), made("R" * 270 + "E" * 30), MOVE)
        assert found.verdict is Verdict.INCONCLUSIVE
        assert found.reason == (
            "30 calls failed: the verdict would be STAY at worst and MOVE at best, so run with --resume"
        )

    def test_a_verdict_that_they_could_not_overturn_holds(self) -> None:
        assert compare(made("R" * 300), made("w" * 299 + "E"), MOVE).verdict is Verdict.STAY


class TestIncomparable:
    def test_other_cases(self) -> None:
        found = compare(made("R" * 300), made("R" * 299), CHANGE)
        assert found.verdict is Verdict.INCOMPARABLE
        assert "only local@q8 has 1 (c299)" in found.reason
        assert compare(made("R" * 300), made("R" * 299), CHANGE, shared=True).verdict is Verdict.OK

    def test_a_case_that_was_edited_is_another_case(self) -> None:
        head = made("RR")
        edited = replace(head, cases={**head.cases, "c1": replace(head.cases["c1"], digest="other")})
        found = compare(made("RR"), edited, CHANGE)
        assert (found.verdict, found.unequal.edited, found.n) == (Verdict.INCOMPARABLE, ("c1",), 1)

    def test_another_contract_even_over_shared_cases(self) -> None:
        found = compare(made("R" * 300), made("R" * 300, contract_hash="sha256:c2"), CHANGE, shared=True)
        assert found.verdict is Verdict.INCOMPARABLE
        assert "`harness rescore`" in found.reason

    def test_nothing_in_common(self) -> None:
        assert "no case that both runs answered" in compare(made("EE"), made("RR"), CHANGE).reason


class TestParts:
    def test_flips_of_every_kind(self) -> None:
        found = compare(made("RwwpR-"), made("wRvRp-"), CHANGE)
        assert {(flip.kind, flip.case_id) for flip in found.flips} == {
            ("right_to_wrong", "c0"),
            ("wrong_to_right", "c1"),
            ("wrong_to_other_wrong", "c2"),
            ("wrong_to_right", "c3"),
            ("not_to_compliant", "c3"),
            ("right_to_wrong", "c4"),
            ("compliant_to_not", "c4"),
        }

    def test_phrasing_is_told_apart_from_ability(self) -> None:
        found = compare(made("R" * 10), made("RRRRRppppw"), CHANGE)
        assert found.strict.paired.delta == pytest.approx(-0.5)
        assert found.capability.delta == pytest.approx(-0.1)
        assert found.form.delta == pytest.approx(-0.4)

    @given(st.lists(st.tuples(st.sampled_from("Rpwv-"), st.sampled_from("Rpwv-")), min_size=1, max_size=40))
    def test_both_gaps_add_up_to_the_difference_and_flips_to_gains_and_losses(
        self, pairs: list[tuple[str, str]]
    ) -> None:
        base, head = ("".join(letters) for letters in zip(*pairs, strict=True))
        found = compare(made(base), made(head), CHANGE)
        assert found.capability.delta + found.form.delta == pytest.approx(found.strict.paired.delta)
        kinds = [flip.kind for flip in found.flips]
        gains, losses = kinds.count("wrong_to_right"), kinds.count("right_to_wrong")
        assert found.strict.paired == paired(gains, losses, len(pairs))

    @given(st.text("Rpwv-E", min_size=1, max_size=40))
    def test_a_run_never_differs_from_itself(self, outcomes: str) -> None:
        found = compare(made(outcomes), made(outcomes), CHANGE)
        assert found.flips == ()
        assert found.answers_changed == 0
        assert found.verdict not in {Verdict.REGRESSED, Verdict.IMPROVED}

    def test_slices_are_judged_together(self) -> None:
        tags = {i: "hard" if i < 30 else "easy" for i in range(60)}
        found = compare(made("R" * 60, tags=tags), made("w" * 30 + "R" * 30, tags=tags), CHANGE)
        hard, easy = sorted(found.slices, key=lambda s: s.name, reverse=True)
        assert (hard.name, hard.strict.paired.delta, easy.strict.paired.delta) == ("hard", -1.0, 0.0)
        assert hard.p == pytest.approx(2 * hard.strict.paired.p)
        assert easy.p == 1.0
