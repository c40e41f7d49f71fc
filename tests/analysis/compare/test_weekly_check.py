"""The weekly check: many cells share one false alarm a year, and a second run confirms or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.compare import ComparisonQuestion, RunOutcomes
from harness.analysis.compare.alarms import detection, family_level, merged, repeat_level
from harness.analysis.compare.weekly_check import CellWeek, CheckResult, check, flips, looks_worse, lost_twice

from .sides import made

CHANGE = ComparisonQuestion("change")
GOOD = made("R" * 300)
WORSE = made("w" * 20 + "R" * 280)  # 6.7 points lost
A_LITTLE = made("w" * 9 + "R" * 291)  # a proof alone, and none among many


def week(run: RunOutcomes, again: RunOutcomes | None = None, before: RunOutcomes = GOOD) -> CellWeek:
    """A cell with four equal weeks before."""
    return CellWeek(run, (before,) * 4, CHANGE, again)


def results(*cells: CellWeek, others: int = 0) -> list[CheckResult]:
    """The results of these cells, in a project with `others` unchanged cells."""
    weeks = dict(enumerate([*cells, *[week(GOOD)] * others]))
    return [found.result for found in check(weeks).values() if found is not None][: len(cells)]


class TestRule:
    def test_loss_in_both_runs_is_proven_among_many_cells(self) -> None:
        assert results(week(WORSE, WORSE), others=99) == [CheckResult.WORSE]

    def test_loss_in_one_run_is_only_suspected(self) -> None:
        assert results(week(WORSE, GOOD), others=47) == [CheckResult.SUSPECTED]

    def test_small_loss_is_proven_alone_and_not_among_many(self) -> None:
        assert looks_worse(week(A_LITTLE))
        assert results(week(A_LITTLE)) == [CheckResult.WORSE]
        assert results(week(A_LITTLE), others=47) == [CheckResult.SUSPECTED]

    def test_changed_cells_are_judged_by_both_runs_together(self) -> None:
        changed = replace(WORSE, fingerprint={**WORSE.fingerprint, "model_digest": "sha256:m2"})
        assert results(week(changed, changed), others=47) == [CheckResult.WORSE]
        slight = replace(A_LITTLE, fingerprint=changed.fingerprint)
        assert results(week(slight, slight), *[week(changed, changed)] * 20)[0] is CheckResult.SUSPECTED

    def test_new_version_of_the_harness_is_no_change(self) -> None:
        newer = replace(GOOD, fingerprint={**GOOD.fingerprint, "harness": "9"})
        assert not week(newer).is_changed

    def test_equal_week_is_good_and_first_week_has_no_check(self) -> None:
        assert results(week(GOOD)) == [CheckResult.GOOD]
        assert check({"a": CellWeek(GOOD, (), CHANGE)}) == {"a": None}

    def test_worse_than_the_baseline_alone_is_worth_a_second_run(self) -> None:
        slow = replace(week(WORSE, before=WORSE), baseline=GOOD)
        assert looks_worse(slow)
        assert not looks_worse(week(WORSE, before=WORSE))

    def test_failed_calls_and_other_cases_are_told(self) -> None:
        failed = made("E" * 20 + "R" * 280)
        assert results(week(failed), week(made("R" * 10))) == [CheckResult.FAILED_CALLS, CheckResult.INCOMPARABLE]


class TestMerged:
    def test_counts_of_each_case_are_added(self) -> None:
        case = merged([made("Rw"), made("RR"), made("pw")]).cases
        assert (case["c0"].judged, case["c0"].strict, case["c0"].lenient) == (3, 2, 3)
        assert (case["c1"].judged, case["c1"].strict) == (3, 1)

    def test_edited_and_missing_cases_are_left_out(self) -> None:
        other = made("RR")
        edited = replace(other, cases={"c0": replace(other.cases["c0"], digest="other")})
        assert [case.judged for case in merged([made("RR"), edited]).cases.values()] == [1, 1]

    def test_merged_weeks_have_less_noise(self) -> None:
        flaky = [made("R" * 280 + text) for text in ("wR" * 10, "Rw" * 10)]
        assert merged(flaky).cases["c290"].strict == 1


class TestNoise:
    def test_flips_are_counted_over_cases_run_twice(self) -> None:
        sample = CellWeek(made("RRRR"), (), CHANGE, noise=made("Rw"))
        assert flips([sample, week(GOOD)]) == (1, 2)

    def test_case_that_came_back_is_not_listed_as_lost(self) -> None:
        first = made("w" * 20 + "R" * 280)
        twice = week(first, made("w" * 12 + "R" * 288))
        comparison = twice.against_history(first, 0.05)
        ids, flaky = lost_twice(twice, comparison)
        assert (len(ids), flaky) == (12, 8)


class TestLevels:
    def test_all_comparisons_share_one_false_alarm_a_year(self) -> None:
        assert 52 * 96 * family_level(96) == pytest.approx(1)
        assert family_level(0) == family_level(1)

    def test_more_cells_need_clearer_runs(self) -> None:
        levels = [repeat_level(n) for n in (1, 12, 48, 100)]
        assert levels == sorted(levels, reverse=True)
        assert levels[0] == 0.05

    @pytest.mark.parametrize("comparisons", [1, 48, 100])
    def test_seven_points_are_found_within_two_weeks(self, comparisons: int) -> None:
        assert detection(300, comparisons, 0.07, 0.03) > 0.95

    def test_few_cases_find_less(self) -> None:
        found = [detection(n, 48, 0.07, 0.03) for n in (50, 100, 300)]
        assert found == sorted(found)
        assert found[0] < 0.3
