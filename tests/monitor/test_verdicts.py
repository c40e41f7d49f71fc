"""From labels to a verdict."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.analysis import baseline
from harness.analysis.compare import CaseOutcome, RunOutcomes, Verdict
from harness.core.errors import ConfigError, StoreError
from harness.monitor import sheets, weeks, words
from harness.monitor.sheets import UNCLEAR, SampleRequest, Sheet, SheetItem, SheetLabel
from harness.monitor.verdicts import CellReview, Review, is_right, measure, review

from ..support.project import LABELS, Project
from .logged import call, log, opened

SINCE, UNTIL = "2026-11-19T00:00:00.000+00:00", "2026-11-26T00:00:00.000+00:00"


def item(number: int, value: object = "billing", *, compliant: bool = True, **more: object) -> SheetItem:
    usual = {"said": "billing", "size": 100, "by_label": True, **more}
    return SheetItem(number, "triage", "fake", "local", "2026-11-20", number, value, compliant, **usual)  # type: ignore[arg-type]


def test_right_is_what_was_read_and_strict_what_was_as_agreed_too() -> None:
    items = [item(1), item(2), item(3, compliant=False), item(4)]
    said = {1: [SheetLabel(1, "a", "billing")], 2: [SheetLabel(2, "a", "general")], 3: [SheetLabel(3, "a", "billing")]}
    found = measure(items, said)
    assert (found.strict.hits, found.lenient.hits, found.strict.n) == (pytest.approx(1), pytest.approx(2), 3)
    assert found.n_open == 1


def test_what_could_not_be_told_counts_on_neither_side() -> None:
    found = measure([item(1), item(2)], {1: [SheetLabel(1, "a", UNCLEAR)], 2: [SheetLabel(2, "a", "billing")]})
    assert (found.strict.hits, found.strict.n, found.n_unclear) == (1, 1, 1)


def test_two_reviewers_of_one_reply_are_one_reply() -> None:
    found = measure(
        [item(1), item(2)],
        {1: [SheetLabel(1, "a", "billing"), SheetLabel(1, "b", "general")], 2: [SheetLabel(2, "a", "billing")]},
    )
    assert (found.strict.hits, found.strict.n) == (pytest.approx(1.5), 2)


def test_a_stratum_counts_for_the_calls_that_it_stands_for() -> None:
    rare = [item(i, "general", said="general", size=10) for i in (1, 2)]
    common = [item(i, said="billing", size=990) for i in range(3, 101)]
    said = {i: [SheetLabel(i, "a", "billing")] for i in range(1, 101)}
    found = measure([*rare, *common], said)
    assert found.strict.value == pytest.approx(0.99)
    assert found.size == 1000


def test_an_answer_that_is_no_label_is_never_right_and_values_may_be_anything() -> None:
    assert not is_right(item(1, None), SheetLabel(1, "a", "billing"))
    assert not is_right(item(1, {"a": [1]}), SheetLabel(1, "a", "billing"))
    assert is_right(item(1, {"a": [1]}, by_label=False), SheetLabel(1, "a", "right"))


def keep_baseline(project: Project, right: int, n: int = 300) -> None:
    cases = {f"c{i}": CaseOutcome(f"c{i}", "", 1, int(i < right), int(i < right), 1) for i in range(n)}
    side = RunOutcomes("baseline", "r-1", "triage", "local@fake", "fake", "2026-11-01T00:00:00", {}, cases, LABELS)
    baseline.save(project.root, side)


@pytest.fixture
def reviewed(project: Project) -> Callable[..., Review]:
    """A week of 400 calls, 100 of them labelled; of the labels `wrong` say that the reply is wrong."""

    def run(wrong: int, n: int = 100, reviewer: str = "anna") -> Review:
        drawn_by = random.Random(1)
        with opened(project) as store:
            if not sheets.names(store):
                log(project, [call(drawn_by.choice(LABELS), days_ago=drawn_by.uniform(0, 6)) for _ in range(400)])
            sheet, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest(SINCE, UNTIL, 100, 3))
            labels = [
                SheetLabel(i.item, reviewer, "general" if k < wrong and i.value != "general" else str(i.value))
                for k, i in enumerate(sorted(sheet.items, key=lambda i: i.value == "general")[:n])
            ]
            sheets.add_labels(store, sheet.sheet, labels)
            return review(project.with_store(store), sheet.sheet)

    return run


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [(25, Verdict.REGRESSED), (3, Verdict.OK), (8, Verdict.INCONCLUSIVE), (13, Verdict.INCONCLUSIVE)],
)
def test_the_week_is_held_against_the_saved_baseline(
    project: Project, reviewed: Callable[..., Review], wrong: int, verdict: Verdict
) -> None:
    keep_baseline(project, 282)
    (cell,) = reviewed(wrong).cells
    assert cell.verdict is verdict
    assert cell.base
    assert cell.base.words == "baseline of 2026-11-01"
    assert (cell.cell, cell.strict.n, cell.size) == ("local@fake", 100, 400)


@pytest.fixture
def week(project: Project) -> Callable[[int, int], CellReview]:
    """The review of one week of December: 100 replies, so many of them wrong."""

    def run(number: int, wrong: int) -> CellReview:
        start = datetime(2026, 12, 7 * number, tzinfo=UTC)
        stamp = start.isoformat(timespec="milliseconds")
        log(project, [replace(call("billing"), called_at=stamp) for _ in range(100)])
        with opened(project) as store:
            until = (start + timedelta(days=1)).isoformat(timespec="milliseconds")
            sheet, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest(stamp, until))
            labels = [
                SheetLabel(i.item, "anna", "general" if k < wrong else "billing") for k, i in enumerate(sheet.items)
            ]
            sheets.add_labels(store, sheet.sheet, labels)
            (cell,) = review(project.with_store(store), sheet.sheet).cells
            return cell

    return run


def test_one_lower_week_among_many_is_no_verdict_and_the_second_in_a_row_is(
    project: Project, week: Callable[[int, int], CellReview]
) -> None:
    keep_baseline(project, 282)
    assert week(1, 6).verdict is Verdict.INCONCLUSIVE
    first = week(2, 13)
    assert (first.verdict, first.lower, first.lower_before) == (Verdict.INCONCLUSIVE, True, False)
    assert "REGRESSED if the next is, too" in words.cell(first)
    second = week(3, 13)
    assert (second.verdict, second.lower_before) == (Verdict.REGRESSED, True)
    assert "the review before it was lower, too" in words.cell(second)


def test_a_better_week_in_between_starts_again(project: Project, week: Callable[[int, int], CellReview]) -> None:
    keep_baseline(project, 282)
    verdicts = [week(number, wrong).verdict for number, wrong in ((1, 13), (2, 6), (3, 13))]
    assert verdicts == [Verdict.INCONCLUSIVE] * 3


def test_without_a_baseline_a_week_is_held_against_all_reviews_before_it(
    week: Callable[[int, int], CellReview],
) -> None:
    bases = [week(number, wrong).base for number, wrong in ((1, 4), (2, 6), (3, 5))]
    assert bases[0] is None
    assert bases[1] is not None
    assert bases[2] is not None
    assert (bases[1].strict.n, bases[2].strict.n) == (100, 200)
    assert bases[2].strict.value == pytest.approx(0.95)
    assert bases[2].words.startswith("2 earlier reviews, the newest 2026-w5")
    assert week(4, 20).verdict is Verdict.REGRESSED


def test_without_a_baseline_there_is_nothing_to_hold_it_against(reviewed: Callable[..., Review]) -> None:
    found = reviewed(3)
    assert found.cells[0].verdict is words.verdict(found) is Verdict.INCONCLUSIVE
    assert "nothing to hold it against" in words.cell(found.cells[0])


def test_of_summaries_a_baseline_is_no_measure_and_it_is_not_advised(
    project: Project, reviewed: Callable[..., Review]
) -> None:
    project.eval(text='task = "summarization"\nprompt = "triage"\ndataset = "tickets"\n')
    keep_baseline(project, 300)
    (cell,) = reviewed(3).cells
    assert cell.base is None
    assert "the next review has this one" in words.cell(cell)


def test_an_earlier_review_is_held_against_where_there_is_no_other(
    project: Project, reviewed: Callable[..., Review]
) -> None:
    reviewed(2)
    later = [call("billing", days_ago=-7 - i / 100) for i in range(60)]
    log(project, later)
    with opened(project) as store:
        until = "2026-12-04T00:00:00.000+00:00"
        sheet, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest("2026-12-01T00:00:00.000+00:00", until))
        sheets.add_labels(store, sheet.sheet, [SheetLabel(i.item, "anna", "general") for i in sheet.items])
        (cell,) = review(project.with_store(store), sheet.sheet).cells
    assert cell.base
    assert cell.base.words.startswith("review of 2026-w4")
    assert cell.verdict is Verdict.REGRESSED


def test_a_handful_of_labels_is_not_judged(project: Project, reviewed: Callable[..., Review]) -> None:
    keep_baseline(project, 300)
    found = reviewed(5, n=10)
    assert found.cells[0].verdict is None
    assert "fewer than 20, not judged" in words.cell(found.cells[0])
    assert found.cells[0].n_open == 90


def test_two_reviewers_have_a_kappa_and_the_items_on_which_they_differ(reviewed: Callable[..., Review]) -> None:
    reviewed(0)
    (agreement,) = reviewed(10, reviewer="ben").agreements
    assert (agreement.reviewers, agreement.n, agreement.agreed) == (("anna", "ben"), 100, 90)
    assert 0.8 < agreement.kappa.value < 0.9
    assert len(agreement.apart) == 10
    assert "anna and ben agree on 90 of 100, Cohen's kappa 0.8" in words.agreement(agreement)


def test_labels_are_replaced_when_they_come_again(reviewed: Callable[..., Review]) -> None:
    assert reviewed(25).cells[0].strict.value < reviewed(0).cells[0].strict.value == 1.0


def test_the_same_draw_is_the_same_sheet_and_keeps_its_labels(
    project: Project, reviewed: Callable[..., Review]
) -> None:
    name = reviewed(5).sheet.sheet
    with opened(project) as store:
        again, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest(SINCE, UNTIL, 100, 3))
        other, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest(SINCE, UNTIL, 100, 4))
        assert again.sheet == name != other.sheet
        assert len(sheets.labels_of(store, name)) == 100
        assert name.startswith("2026-w47-")


def test_what_customers_wrote_is_not_kept_with_the_sheet(project: Project, reviewed: Callable[..., Review]) -> None:
    found = reviewed(5)
    kept: Sheet = found.sheet
    assert "charged twice" not in repr(kept)


def test_calls_without_texts_cannot_be_reviewed_and_it_says_what_to_do(project: Project) -> None:
    log(project, [replace(call(), inputs=None, reply=None)])
    with opened(project) as store, pytest.raises(ConfigError, match=r"set texts = true in \[log\] of harness.toml"):
        sheets.draw(store, {}, SampleRequest(SINCE, UNTIL))


def test_no_calls_is_another_message(project: Project) -> None:
    with (
        opened(project) as store,
        pytest.raises(ConfigError, match="no calls were logged from 2026-11-19 to 2026-11-25"),
    ):
        sheets.draw(store, {}, SampleRequest(SINCE, UNTIL))


def test_an_unknown_sheet_names_those_that_are_there(project: Project, reviewed: Callable[..., Review]) -> None:
    name = reviewed(0).sheet.sheet
    with opened(project) as store, pytest.raises(StoreError, match=f"no review sheet 'x' .*{name}"):
        sheets.load(store, "x")


def test_a_week_is_named_by_its_last_day() -> None:
    assert weeks.last_day(UNTIL).isoformat() == "2026-11-25"
