"""Verdicts that a good average must not hide: the two legs, collapsed labels and tags, a useless base, few answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.compare import ComparisonQuestion, ReasonCode, RunOutcomes, Verdict, compare
from harness.report.verdict_text import reason_text

from .sides import made

MOVE, CHANGE = ComparisonQuestion("move"), ComparisonQuestion("change")
LENIENT = replace(MOVE, production="lenient")


def labelled(outcomes: str, expected: str, name: str = "local@q8") -> RunOutcomes:
    """`outcomes` as in `made`, with the expected label of each case in `expected`: `h` ham, `s` spam."""
    side = made(outcomes, name)
    labels = {"h": "ham", "s": "spam"}
    cases = {
        case_id: replace(case, expected=labels[letter])
        for (case_id, case), letter in zip(side.cases.items(), expected, strict=True)
    }
    return replace(side, cases=cases, labels=("ham", "spam"))


class TestLegs:
    BASE = made("R" * 186 + "p" * 114, "gpt@gpt-4o")  # 62% in format, 100% right if read leniently
    HEAD = made("R" * 214 + "w" * 86, "local@q8")  # always in format, 71.3% right

    @pytest.mark.parametrize("question", [MOVE, LENIENT])
    def test_gain_in_format_does_not_hide_lost_capability(self, question: ComparisonQuestion) -> None:
        c = compare(self.BASE, self.HEAD, question)
        assert c.strict.paired.delta > 0.09
        assert (c.verdict, c.reason.code, c.reason.leg) == (Verdict.STAY, ReasonCode.BEYOND_MARGIN, "lenient")
        assert c.has_opposite_gaps
        assert reason_text(c).startswith(
            "format +38.0, capability -28.7 points. Read leniently, difference -28.7 points "
        )

    def test_change_with_opposite_legs_is_a_regression(self) -> None:
        c = compare(self.BASE, self.HEAD, CHANGE)
        assert (c.verdict, c.reason.leg) == (Verdict.REGRESSED, "lenient")
        back = compare(self.HEAD, self.BASE, CHANGE)
        assert (back.verdict, back.reason.leg) == (Verdict.REGRESSED, "strict")
        assert reason_text(back).startswith(
            "format -38.0, capability +28.7 points. Read strictly, difference -9.3 points "
        )

    def test_lenient_production_does_not_count_format(self) -> None:
        c = compare(made("R" * 300), made("R" * 200 + "p" * 100), LENIENT)
        assert (c.verdict, c.reason.leg) == (Verdict.MOVE, "lenient")
        assert not c.has_opposite_gaps

    def test_strict_production_counts_format(self) -> None:
        assert compare(made("R" * 300), made("R" * 200 + "p" * 100), MOVE).verdict is Verdict.STAY

    def test_one_open_leg_leaves_a_move_open(self) -> None:
        base, head = made("R" * 280 + "p" * 20), made("R" * 280 + "p" * 13 + "w" * 7)
        c = compare(base, head, MOVE)
        assert MOVE.decide(c.strict.paired) is Verdict.MOVE
        assert (c.verdict, c.reason.leg) == (Verdict.INCONCLUSIVE, "lenient")
        assert c.needed is not None


class TestSlices:
    def test_head_that_never_says_spam_stays(self) -> None:
        expected = "h" * 950 + "s" * 50  # 95/5
        base = labelled("R" * 925 + "w" * 25 + "R" * 30 + "w" * 20, expected, "gpt@gpt-4o")
        head = labelled("R" * 950 + "w" * 50, expected)  # ham +2.6, spam -60
        c = compare(base, head, MOVE)
        assert MOVE.decide(c.strict.paired) is Verdict.MOVE
        assert (c.verdict, c.reason.code) == (Verdict.STAY, ReasonCode.SLICE_LOSS)
        assert reason_text(c).startswith("label spam -60.0 points (95% interval ")
        assert compare(base, head, CHANGE).verdict is Verdict.REGRESSED

    def test_collapsed_tag_stays_under_a_good_average(self) -> None:
        tags = {i: "hard" if i < 25 else "easy" for i in range(1025)}
        base = made("R" * 20 + "w" * 5 + "R" * 980 + "w" * 20, "gpt@gpt-4o", tags)
        head = made("w" * 25 + "R" * 1000, "local@q8", tags)  # hard -80, easy +2
        c = compare(base, head, MOVE)
        assert (c.verdict, c.reason.slice_loss and c.reason.slice_loss.name) == (Verdict.STAY, "hard")

    def test_limit_of_one_allows_any_loss(self) -> None:
        tags = dict.fromkeys(range(10), "hard")
        base, head = made("R" * 1000, tags=tags), made("w" * 10 + "R" * 990, tags=tags)
        assert compare(base, head, MOVE).verdict is Verdict.STAY
        assert compare(base, head, replace(MOVE, max_tag_loss=1)).verdict is Verdict.MOVE

    def test_proven_loss_that_may_exceed_the_limit_is_open(self) -> None:
        tags = dict.fromkeys(range(60), "hard")
        base, head = made("R" * 2000, tags=tags), made("w" * 9 + "R" * 1991, tags=tags)  # hard -15
        c = compare(base, head, MOVE)
        assert (c.verdict, c.reason.code) == (Verdict.INCONCLUSIVE, ReasonCode.SLICE_OPEN)

    def test_small_loss_in_a_tag_is_no_veto(self) -> None:
        tags = dict.fromkeys(range(300), "hard")
        base, head = made("R" * 2000, tags=tags), made("w" * 12 + "R" * 1988, tags=tags)  # hard -4
        assert compare(base, head, MOVE).verdict is Verdict.MOVE

    def test_more_tags_make_the_interval_wider(self) -> None:
        one = dict.fromkeys(range(12), "hard")
        many = one | {i: f"t{i}" for i in range(12, 400)}
        outcomes = made("R" * 400, tags=one), made("w" * 6 + "R" * 394, tags=one)
        (alone,) = compare(*outcomes, LENIENT).slice_losses
        among = compare(made("R" * 400, tags=many), made("w" * 6 + "R" * 394, tags=many), LENIENT).slice_losses
        assert alone.beyond_limit
        assert not any(loss.beyond_limit for loss in among)


class TestUselessBase:
    @pytest.mark.parametrize("right", [0, 3])
    def test_equally_useless_head_does_not_move(self, right: int) -> None:
        side = made("R" * right + "w" * (300 - right))
        for question in (MOVE, CHANGE):
            c = compare(side, side, question)
            assert (c.verdict, c.reason.code) == (Verdict.INCONCLUSIVE, ReasonCode.BASE_NEAR_ZERO)

    def test_good_head_improves_on_a_useless_base(self) -> None:
        assert compare(made("w" * 300), made("R" * 300), CHANGE).verdict is Verdict.IMPROVED

    def test_base_below_its_own_gate_does_not_move(self) -> None:
        side = made("R" * 180 + "w" * 120)
        gated = replace(MOVE, least_base=(("strict", 0.9),))
        assert compare(side, side, MOVE).verdict is Verdict.MOVE
        c = compare(side, side, gated)
        assert (c.verdict, c.reason.code) == (Verdict.INCONCLUSIVE, ReasonCode.BASE_BELOW_GATE)
        assert "min_accuracy 0.9" in reason_text(c)


class TestAnswers:
    def test_more_answers_are_told_from_better_answers(self) -> None:
        base = made("R" * 570 + "w" * 586 + "R" * 586 + "-" * 200)
        head = made("R" * 1156 + "w" * 586 + "R" * 100 + "w" * 100)
        c = compare(base, head, CHANGE)
        assert c.lenient.paired.delta > 0
        assert c.answering.paired.gains == 200
        assert (c.right_if_answered.gains, c.right_if_answered.losses) == (586, 586)
        assert c.verdict is Verdict.IMPROVED
        assert reason_text(c).endswith("Where both answer, 586 were gained and 586 lost")

    def test_better_format_alone_has_the_same_answers(self) -> None:
        c = compare(made("p" * 100), made("R" * 100), CHANGE)
        assert (c.answering.base.hits, c.answering.head.hits) == (100, 100)


class TestManyComparisons:
    def test_loss_must_be_proven_at_the_level_of_all(self) -> None:
        base, head = made("R" * 300), made("R" * 290 + "w" * 10)
        assert compare(base, head, CHANGE).verdict is Verdict.REGRESSED
        c = compare(base, head, replace(CHANGE, level=0.0004))
        assert (c.verdict, c.reason.code) == (Verdict.INCONCLUSIVE, ReasonCode.LIKELY_LOSS)

    def test_candidates_share_the_error(self) -> None:
        base, head = made("R" * 300), made("R" * 299 + "w")
        alone, of_twenty = (compare(base, head, replace(MOVE, candidates=n)) for n in (1, 20))
        assert alone.verdict is Verdict.MOVE
        assert of_twenty.verdict is Verdict.INCONCLUSIVE
        assert of_twenty.strict.paired.low < alone.strict.paired.low


class TestFailedCalls:
    def test_ok_or_improved_at_the_bounds_is_ok(self) -> None:
        base, head = made("w" * 20 + "R" * 980), made("R" * 13 + "w" * 7 + "R" * 972 + "E" * 8)
        c = compare(base, head, CHANGE)
        assert (c.reason.worst, c.reason.best) == (Verdict.OK, Verdict.IMPROVED)
        assert c.verdict is Verdict.OK
        assert "8 calls failed" in reason_text(c)


class TestImports:
    def test_import_is_not_continued(self) -> None:
        failed = replace(made("R" * 280 + "E" * 20), is_imported=True)
        text = reason_text(compare(made("R" * 300), failed, MOVE))
        assert "--resume" not in text
        assert "--null wrong" in text
        assert "--resume" in reason_text(compare(made("R" * 300), made("R" * 280 + "E" * 20), MOVE))


class TestLabels:
    def test_labels_of_a_compared_model_are_reported(self) -> None:
        made_by = {"gpt-4o": 213, "human": 87}
        base = made("R" * 300, "gpt@big", model="gpt-4o-2024-08-06")
        c = compare(base, replace(made("R" * 300), label_sources=made_by), MOVE)
        assert c.labelled_by == (("big", 213),)


class TestDigits:
    def test_interval_that_touches_the_margin_shows_its_side(self) -> None:
        losses = next(
            n
            for n in range(1, 60)
            if compare(made("R" * 1000), made("w" * n + "R" * (1000 - n)), MOVE).verdict is not Verdict.MOVE
        )
        c = compare(made("R" * 1000), made("w" * (losses - 1) + "R" * (1001 - losses)), MOVE)
        near = replace(c, question=replace(MOVE, margin=-c.strict.paired.low + 1e-5))
        assert f"{100 * c.strict.paired.low:+.1f} to" not in reason_text(near)
        assert f"{100 * c.strict.paired.low:+.3f} to" in reason_text(near)
