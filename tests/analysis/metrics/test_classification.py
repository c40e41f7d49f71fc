"""Scores by label and confusion matrices, checked against a table counted by hand."""

from __future__ import annotations

import pytest

from harness.analysis.metrics.classification import classify

from .results import answered, failed

LABELS = ("a", "b", "c")

#             gold  strict  lenient
TABLE = [
    *(3 * [("a", "a", "a")]),
    *(1 * [("a", "b", "b")]),
    *(2 * [("a", None, "a")]),
    *(2 * [("b", "b", "b")]),
    *(1 * [("b", None, None)]),
    *(1 * [("c", "a", "a")]),
]
RESULTS = [answered(gold, strict, lenient) for gold, strict, lenient in TABLE]


def test_confusion_matrix_has_a_column_for_unusable_replies() -> None:
    #                                              a  b  c  unusable
    assert classify(RESULTS, LABELS).confusion == ((3, 1, 0, 2), (0, 2, 0, 1), (1, 0, 0, 0))
    assert classify(RESULTS, LABELS, lenient=True).confusion == ((5, 1, 0, 0), (0, 2, 0, 1), (1, 0, 0, 0))


@pytest.mark.parametrize(
    ("lenient", "precision", "recall", "f1"),
    [
        # a: 3 of 4 answers a are correct, 3 of 6 gold a are found; b: 2 of 3, 2 of 3; c: never answered
        (False, (3 / 4, 2 / 3, 0), (3 / 6, 2 / 3, 0), (3 / 5, 2 / 3, 0)),
        (True, (5 / 6, 2 / 3, 0), (5 / 6, 2 / 3, 0), (5 / 6, 2 / 3, 0)),
    ],
)
def test_precision_recall_and_f1_match_the_table(
    lenient: bool, precision: tuple[float, ...], recall: tuple[float, ...], f1: tuple[float, ...]
) -> None:
    actual = classify(RESULTS, LABELS, lenient=lenient)
    assert [one.label for one in actual.per_label] == list(LABELS)
    assert [one.support for one in actual.per_label] == [6, 3, 1]
    assert [one.precision for one in actual.per_label] == pytest.approx(precision)
    assert [one.recall for one in actual.per_label] == pytest.approx(recall)
    assert [one.f1 for one in actual.per_label] == pytest.approx(f1)
    assert actual.macro_f1 == pytest.approx(sum(f1) / 3)


def test_unusable_reply_costs_recall_not_precision() -> None:
    (score, _, _) = classify([answered("a", "a"), answered("a", None)], LABELS).per_label
    assert (score.precision, score.recall) == (1.0, 0.5)


def test_label_can_be_called_unusable() -> None:
    actual = classify([answered("unusable", "unusable"), answered("x", None)], ("unusable", "x"))
    assert actual.confusion == ((1, 0, 0), (0, 0, 1))


def test_label_that_never_occurs_counts_zero() -> None:
    assert classify([answered("a", "a"), answered("b", "b")], LABELS).macro_f1 == pytest.approx(2 / 3)


def test_failed_calls_are_not_in_the_matrix() -> None:
    assert classify([*RESULTS, failed(), failed(expected="c")], LABELS) == classify(RESULTS, LABELS)


def test_perfect_run_scores_one_and_empty_run_zero() -> None:
    assert classify([answered(label, label) for label in LABELS], LABELS).macro_f1 == 1.0
    empty = classify([failed()], LABELS)
    assert (empty.labels, empty.macro_f1, empty.per_label, empty.confusion) == (LABELS, 0.0, (), ())
