"""Reviews: from labels to accuracy and verdict."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from harness.analysis import baseline
from harness.analysis.compare import CaseOutcome, RunOutcomes, Verdict
from harness.core.errors import ConfigError, StoreError
from harness.monitor import sheets, weeks, wording
from harness.monitor.review import CellReview, Review, review
from harness.monitor.review_counts import CellVerdicts, count_labels, is_right
from harness.monitor.sheets import UNCLEAR, SampleRequest, Sheet, SheetItem, SheetLabel
from harness.store.verdicts import VerdictTotals

from ..support.project import LABELS, Project
from .logged import call, log, opened

SINCE, UNTIL = "2026-11-19T00:00:00.000+00:00", "2026-11-26T00:00:00.000+00:00"


def item(number: int, value: object = "billing", *, compliant: bool = True, **more: object) -> SheetItem:
    usual = {"outcome": "billing", "size": 100, "by_label": True, **more}
    return SheetItem(number, "triage", "fake", "local", "2026-11-20", number, value, compliant, **usual)  # type: ignore[arg-type]


def test_strict_counts_only_correct_and_compliant_replies() -> None:
    items = [item(1), item(2), item(3, compliant=False), item(4)]
    labels = {
        1: [SheetLabel(1, "a", "billing")],
        2: [SheetLabel(2, "a", "general")],
        3: [SheetLabel(3, "a", "billing")],
    }
    counts = count_labels(items, labels)
    assert (counts.strict.hits, counts.lenient.hits, counts.strict.n) == (pytest.approx(1), pytest.approx(2), 3)
    assert counts.n_unlabelled == 1


def test_unclear_labels_are_left_out() -> None:
    counts = count_labels([item(1), item(2)], {1: [SheetLabel(1, "a", UNCLEAR)], 2: [SheetLabel(2, "a", "billing")]})
    assert (counts.strict.hits, counts.strict.n, counts.n_unclear) == (1, 1, 1)


def test_a_reply_with_two_reviewers_counts_once() -> None:
    counts = count_labels(
        [item(1), item(2)],
        {1: [SheetLabel(1, "a", "billing"), SheetLabel(1, "b", "general")], 2: [SheetLabel(2, "a", "billing")]},
    )
    assert (counts.strict.hits, counts.strict.n) == (pytest.approx(1.5), 2)


def test_a_stratum_is_weighted_by_its_number_of_calls() -> None:
    rare = [item(i, "general", outcome="general", size=10) for i in (1, 2)]
    common = [item(i, outcome="billing", size=990) for i in range(3, 101)]
    labels = {i: [SheetLabel(i, "a", "billing")] for i in range(1, 101)}
    counts = count_labels([*rare, *common], labels)
    assert counts.strict.value == pytest.approx(0.99)
    assert counts.size == 1000


VERDICTS = CellVerdicts(
    {"billing": VerdictTotals("triage/v1 gpt@judge", judged=1_000, accepted=900, strict=880)},
    {call_id: call_id > 10 for call_id in range(1, 101)},
)
"""A judge who rejects the calls 1 to 10."""


def test_verdicts_make_labels_worth_more() -> None:
    items = [item(i, size=1_000) for i in range(1, 101)]
    labels = {i: [SheetLabel(i, "a", "general" if i <= 8 else "billing")] for i in range(1, 101)}
    alone, counts = count_labels(items, labels), count_labels(items, labels, VERDICTS)
    assert counts.judged
    assert (counts.judged.n, counts.judged.n_both, counts.judged.agreed) == (1_000, 100, pytest.approx(98))
    assert counts.judged.strict.worth > 150
    assert alone.strict.low < counts.strict.low < counts.strict.high < alone.strict.high
    assert counts.strata == alone.strata


def test_verdicts_on_replies_that_break_the_contract_are_not_strict() -> None:
    """The judge accepts all values, and every tenth reply breaks the contract: the share of all calls corrects."""
    items = [item(i, size=1_000, compliant=i % 10 > 0) for i in range(1, 101)]
    labels = {i: [SheetLabel(i, "a", "general" if i <= 8 else "billing")] for i in range(1, 101)}
    counts = count_labels(items, labels, VERDICTS)
    assert counts.judged
    assert counts.strict.value < counts.lenient.value
    assert counts.judged.strict.weight > 0.5


def test_verdicts_without_labels_change_nothing() -> None:
    assert count_labels([item(1)], {}, VERDICTS) == count_labels([item(1)], {})


def test_is_right_compares_any_value_with_the_label() -> None:
    assert not is_right(item(1, None), SheetLabel(1, "a", "billing"))
    assert not is_right(item(1, {"a": [1]}), SheetLabel(1, "a", "billing"))
    assert is_right(item(1, {"a": [1]}, by_label=False), SheetLabel(1, "a", "right"))


def keep_baseline(project: Project, right: int, n: int = 300) -> None:
    cases = {f"c{i}": CaseOutcome(f"c{i}", "", 1, int(i < right), int(i < right), 1) for i in range(n)}
    side = RunOutcomes("baseline", "r-1", "triage", "local@fake", "fake", "2026-11-01T00:00:00", {}, cases, LABELS)
    baseline.save(project.root, side)


@pytest.fixture
def reviewed(project: Project) -> Callable[..., Review]:
    """Review a week of 400 calls, 100 of them labelled; `wrong` labels differ from the reply."""

    def run(wrong: int, n: int = 100, reviewer: str = "anna") -> Review:
        generator = random.Random(1)
        with opened(project) as store:
            if not sheets.names(store):
                log(project, [call(generator.choice(LABELS), days_ago=generator.uniform(0, 6)) for _ in range(400)])
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
def test_a_review_is_compared_with_the_saved_baseline(
    project: Project, reviewed: Callable[..., Review], wrong: int, verdict: Verdict
) -> None:
    keep_baseline(project, 282)
    (cell,) = reviewed(wrong).cells
    assert cell.verdict is verdict
    assert cell.base
    assert cell.base.source == "baseline of 2026-11-01"
    assert (cell.cell, cell.strict.n, cell.size) == ("local@fake", 100, 400)


@pytest.fixture
def week(project: Project) -> Callable[[int, int], CellReview]:
    """Review one week of December: 100 replies, `wrong` of them wrong."""

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


def test_the_second_low_week_in_a_row_is_regressed(project: Project, week: Callable[[int, int], CellReview]) -> None:
    keep_baseline(project, 282)
    assert week(1, 6).verdict is Verdict.INCONCLUSIVE
    first = week(2, 13)
    assert (first.verdict, first.lower, first.lower_before) == (Verdict.INCONCLUSIVE, True, False)
    assert "REGRESSED if the next" in wording.cell_text(first)
    second = week(3, 13)
    assert (second.verdict, second.lower_before) == (Verdict.REGRESSED, True)
    assert "the previous review was lower" in wording.cell_text(second)


def test_a_normal_week_between_two_low_weeks_resets_the_rule(
    project: Project, week: Callable[[int, int], CellReview]
) -> None:
    keep_baseline(project, 282)
    verdicts = [week(number, wrong).verdict for number, wrong in ((1, 13), (2, 6), (3, 13))]
    assert verdicts == [Verdict.INCONCLUSIVE] * 3


def test_without_a_baseline_earlier_reviews_are_the_base(
    week: Callable[[int, int], CellReview],
) -> None:
    bases = [week(number, wrong).base for number, wrong in ((1, 4), (2, 6), (3, 5))]
    assert bases[0] is None
    assert bases[1] is not None
    assert bases[2] is not None
    assert (bases[1].strict.n, bases[2].strict.n) == (100, 200)
    assert bases[2].strict.value == pytest.approx(0.95)
    assert bases[2].source.startswith("2 earlier reviews")
    assert week(4, 20).verdict is Verdict.REGRESSED


def test_without_baseline_and_reviews_it_is_inconclusive(reviewed: Callable[..., Review]) -> None:
    first = reviewed(3)
    assert first.cells[0].verdict is first.verdict is Verdict.INCONCLUSIVE
    assert "`harness baseline save`" in wording.cell_text(first.cells[0])


def test_summaries_are_not_compared_with_a_golden_baseline(project: Project, reviewed: Callable[..., Review]) -> None:
    project.eval(text='task = "summarization"\nprompt = "triage"\ndataset = "tickets"\n')
    keep_baseline(project, 300)
    (cell,) = reviewed(3).cells
    assert cell.base is None
    assert not cell.may_have_baseline
    assert "harness baseline save" not in wording.cell_text(cell)


def test_a_single_earlier_review_is_the_base(project: Project, reviewed: Callable[..., Review]) -> None:
    reviewed(2)
    later = [call("billing", days_ago=-7 - i / 100) for i in range(60)]
    log(project, later)
    with opened(project) as store:
        until = "2026-12-04T00:00:00.000+00:00"
        sheet, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest("2026-12-01T00:00:00.000+00:00", until))
        sheets.add_labels(store, sheet.sheet, [SheetLabel(i.item, "anna", "general") for i in sheet.items])
        (cell,) = review(project.with_store(store), sheet.sheet).cells
    assert cell.base
    assert cell.base.source.startswith("review of 2026-w4")
    assert cell.verdict is Verdict.REGRESSED


def test_fewer_than_20_labels_give_no_verdict(project: Project, reviewed: Callable[..., Review]) -> None:
    keep_baseline(project, 300)
    (cell,) = reviewed(5, n=10).cells
    assert cell.verdict is None
    assert "at least 20 labels" in wording.cell_text(cell)
    assert cell.n_unlabelled == 90


def test_agreement_has_kappa_and_the_differing_items(reviewed: Callable[..., Review]) -> None:
    reviewed(0)
    (agreement,) = reviewed(10, reviewer="ben").agreements
    assert (agreement.reviewers, agreement.n, agreement.agreed) == (("anna", "ben"), 100, 90)
    assert 0.8 < agreement.kappa.value < 0.9
    assert len(agreement.differing_items) == 10
    assert "anna and ben agree on 90 of 100, Cohen's kappa 0.8" in wording.agreement_text(agreement)


def test_a_second_import_replaces_labels(reviewed: Callable[..., Review]) -> None:
    assert reviewed(25).cells[0].strict.value < reviewed(0).cells[0].strict.value == 1.0


def test_the_same_draw_gives_the_same_sheet_with_its_labels(project: Project, reviewed: Callable[..., Review]) -> None:
    name = reviewed(5).sheet.sheet
    with opened(project) as store:
        second, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest(SINCE, UNTIL, 100, 3))
        other, _ = sheets.draw(store, {"triage": LABELS}, SampleRequest(SINCE, UNTIL, 100, 4))
        assert second.sheet == name != other.sheet
        assert len(sheets.labels_of(store, name)) == 100
        assert name.startswith("2026-w47-")


def test_a_saved_sheet_contains_no_customer_text(project: Project, reviewed: Callable[..., Review]) -> None:
    saved: Sheet = reviewed(5).sheet
    assert "charged twice" not in repr(saved)


def test_saved_items_have_the_keys_of_released_versions(project: Project, reviewed: Callable[..., Review]) -> None:
    reviewed(5)
    with opened(project) as store, store.connection() as connection:
        record = json.loads(connection.scalars(sa.text("SELECT record FROM review_items")).first() or "")
    assert record["said"] in LABELS
    assert "outcome" not in record


def test_drawing_calls_without_texts_names_the_key_to_set(project: Project) -> None:
    log(project, [replace(call(), inputs=None, reply=None)])
    with opened(project) as store, pytest.raises(ConfigError, match=r"texts = true in \[log\]"):
        sheets.draw(store, {}, SampleRequest(SINCE, UNTIL))


def test_drawing_without_calls_names_the_period(project: Project) -> None:
    with (
        opened(project) as store,
        pytest.raises(ConfigError, match=r"no calls .*2026-11-19 to 2026-11-25"),
    ):
        sheets.draw(store, {}, SampleRequest(SINCE, UNTIL))


def test_an_unknown_sheet_is_an_error_with_the_newest_names(project: Project, reviewed: Callable[..., Review]) -> None:
    name = reviewed(0).sheet.sheet
    with opened(project) as store, pytest.raises(StoreError, match=f"no review sheet 'x' .*{name}"):
        sheets.load(store, "x")


def test_last_day_is_the_day_before_until() -> None:
    assert weeks.last_day(UNTIL).isoformat() == "2026-11-25"
