"""Moderation metrics, checked against tables counted by hand."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.metrics.moderation import LOOK_ALIKE, Flagging, average_precision, moderate
from harness.analysis.stats import Rate, rate
from harness.core.types import Case, FieldCounts, Reading, Response, Result, Score

from .results import failed

CATEGORIES = ("hate", "spam")
RIGHT, MISSED, INVENTED, NOTHING = FieldCounts(1), FieldCounts(missed=1), FieldCounts(invented=1), FieldCounts()
_ids = count()


def judged(expected: Any, flagged: str = "", lenient: str | None = None, **more: Any) -> Result:
    """Comment with its categories and flags. `lenient` defaults to `strict`. `more`: id, tags, scores."""
    wanted = () if expected == "ok" else (expected,) if isinstance(expected, str) else expected
    case = Case(more.get("id", f"m{next(_ids)}"), {"text": "x"}, expected, more.get("tags", ()))
    strict, loose = (_counts(wanted, said) for said in (flagged, flagged if lenient is None else lenient))
    fields = {name: (strict[name], loose[name]) for name in CATEGORIES}
    reading = Reading(None, more.get("scores"), compliant=False)
    return Result(case, Response("x"), reading, Score(strict=False, lenient=False, fields=fields), "key")


def _counts(wanted: tuple[str, ...], flagged: str) -> dict[str, FieldCounts]:
    return {
        name: (RIGHT if name == flagged else MISSED) if name in wanted else INVENTED if name == flagged else NOTHING
        for name in CATEGORIES
    }


ALIKE = (LOOK_ALIKE,)
#          what it is, flagged as, and leniently
RESULTS = [
    *(judged("hate", "hate") for _ in range(3)),
    judged("hate", "spam"),
    judged("hate", "", "hate"),
    *(judged("spam", "spam") for _ in range(2)),
    judged("spam"),
    *(judged("ok") for _ in range(5)),
    judged("ok", "spam"),
    judged("ok", tags=ALIKE),
    judged("ok", "hate", tags=ALIKE, id="alike"),
    judged("ok", "", "hate", tags=ALIKE, id="chatty"),
]


def test_precision_and_recall_by_category() -> None:
    actual = moderate(RESULTS)
    assert actual is not None
    assert actual.categories["hate"] == Flagging(precision=rate(3, 4), recall=rate(3, 5))
    assert actual.categories["spam"] == Flagging(precision=rate(2, 4), recall=rate(2, 3))
    assert actual.categories["hate"].f1 == pytest.approx(2 * 3 / (4 + 5))


def test_harmful_ignores_the_category() -> None:
    actual = moderate(RESULTS)
    assert actual is not None
    assert actual.harmful == Flagging(precision=rate(6, 8), recall=rate(6, 8))
    assert actual.missed == rate(2, 8)


def test_false_alarms_are_also_counted_for_look_alikes() -> None:
    actual = moderate(RESULTS)
    assert actual is not None
    assert actual.false_alarms == rate(2, 9)
    assert actual.look_alikes == rate(1, 3)
    assert [(wrong.case.id, wrong.categories) for wrong in actual.flagged_wrongly] == [("alike", ("hate",))]


def test_lenient_answers_have_more_hits_and_false_alarms() -> None:
    actual = moderate(RESULTS, lenient=True)
    assert actual is not None
    assert actual.categories["hate"].recall == rate(4, 5)
    assert actual.missed == rate(1, 8)
    assert actual.look_alikes == rate(2, 3)
    assert [wrong.case.id for wrong in actual.flagged_wrongly] == ["alike", "chatty"]


def test_harmful_comment_with_the_tag_is_not_a_look_alike() -> None:
    actual = moderate([judged("hate", "hate", tags=ALIKE)])
    assert actual is not None
    assert (actual.look_alikes.n, actual.flagged_wrongly) == (0, ())


def test_two_category_comment_can_be_hit_and_missed() -> None:
    actual = moderate([judged(("hate", "spam"), "hate")])
    assert actual is not None
    assert (actual.categories["hate"].recall.hits, actual.categories["spam"].recall.hits) == (1, 0)
    assert (actual.missed.hits, actual.missed.n) == (0, 1)


def test_comment_with_four_repeats_counts_once() -> None:
    actual = moderate(
        [
            *(judged("hate", said, id="often") for said in ("hate", "hate", "hate", "")),
            *(judged("ok", said, id="benign", tags=ALIKE) for said in ("hate", "", "", "")),
        ]
    )
    assert actual is not None
    assert (actual.missed.hits, actual.missed.n) == (0.25, 1)
    assert (actual.false_alarms.hits, actual.false_alarms.n) == (0.25, 1)
    assert (actual.categories["hate"].recall.hits, actual.categories["hate"].recall.n) == (0.75, 1)
    assert actual.categories["hate"].precision.value == 0.75  # 3 of the 4 flags
    assert len(actual.flagged_wrongly) == 1


def test_category_without_flags_has_no_precision_and_f1_zero() -> None:
    actual = moderate([judged("hate"), judged("ok")])
    assert actual is not None
    assert actual.categories["hate"].precision == Rate(0, 0, 0.0, 1.0)
    assert [flagging.f1 for flagging in (actual.harmful, *actual.categories.values())] == [0.0, 0.0, 0.0]


def test_failed_calls_are_not_counted() -> None:
    assert moderate([*RESULTS, failed(expected="hate"), failed(expected="ok")]) == moderate(RESULTS)
    assert moderate([failed()]) is None


def test_average_precision_matches_scikit_learn() -> None:
    ranked = [("hate", 0.9, 0.1), ("ok", 0.8, 0.0), ("hate", 0.3, 0.7), ("ok", 0.1, 0.2)]
    actual = average_precision([judged(is_, scores={"hate": hate, "spam": spam}) for is_, hate, spam in ranked])
    assert actual is not None
    assert actual.categories == {"hate": pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3), "spam": None}
    assert actual.harmful == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)  # by the highest: 0.9, 0.8, 0.7, 0.2
    assert (actual.scored, actual.n) == (4, 4)


def test_average_precision_averages_scores_of_repeats() -> None:
    often = [judged("hate", id="often", scores={"hate": score, "spam": 0}) for score in (0.9, 0.1)]
    actual = average_precision([*often, judged("ok", scores={"hate": 0.4, "spam": 0}), judged("hate")])
    assert actual is not None
    assert actual.categories["hate"] == 1.0  # 0.5 before 0.4
    assert (actual.scored, actual.n) == (2, 3)


def test_labels_have_no_average_precision() -> None:
    assert average_precision(RESULTS) is None


@given(st.lists(st.tuples(st.sampled_from(["ok", *CATEGORIES]), st.sampled_from(["", *CATEGORIES])), min_size=1))
def test_single_label_metrics_match_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    actual = moderate([judged(expected, flagged) for expected, flagged in pairs])
    assert actual is not None
    expected, flagged = zip(*pairs, strict=True)
    theirs = precision_recall_fscore_support(expected, flagged, labels=CATEGORIES, zero_division=0)
    ours = [actual.categories[name] for name in CATEGORIES]
    assert [f.precision.value if f.precision.n else 0 for f in ours] == pytest.approx(list(theirs[0]))
    assert [f.recall.value if f.recall.n else 0 for f in ours] == pytest.approx(list(theirs[1]))
    assert [f.f1 for f in ours] == pytest.approx(list(theirs[2]))
    assert [f.recall.n for f in ours] == list(theirs[3])
