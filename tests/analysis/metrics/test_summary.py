"""Summary of a run, checked against small tables counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.analysis.metrics.summary import accuracy, summarize
from harness.analysis.stats import rate
from harness.core.types import Result

from .results import answered, failed

RIGHT = answered("a", "a")
BADLY_PHRASED = answered("a", None, "a", "preamble")
WRONG = answered("a", "b")
UNCLEAR = answered("a", None, None, "hedged", "multiple_labels")


@pytest.mark.parametrize(
    ("results", "strict", "lenient", "compliant"),
    [
        ([RIGHT], 1, 1, 1),
        ([BADLY_PHRASED], 0, 1, 0),
        ([WRONG], 0, 0, 1),
        ([UNCLEAR], 0, 0, 0),
        ([RIGHT, answered("a", "a"), BADLY_PHRASED, WRONG, UNCLEAR], 2, 3, 3),
    ],
)
def test_strict_lenient_and_compliance_use_the_same_cases(
    results: list[object], strict: int, lenient: int, compliant: int
) -> None:
    actual = accuracy(results)  # type: ignore[arg-type]
    n = len(results)
    assert (actual.strict, actual.lenient, actual.compliance) == (rate(strict, n), rate(lenient, n), rate(compliant, n))


def test_failed_call_is_an_error_and_in_no_denominator() -> None:
    actual = summarize([RIGHT, WRONG, failed("timeout"), failed("server"), failed("timeout")])
    assert (actual.n, actual.answered, actual.n_errors) == (5, 2, 3)
    assert actual.errors == (("timeout", 2), ("server", 1))
    assert actual.accuracy.strict == rate(1, 2)
    assert actual.latency_p50_s is None
    assert actual.prompt_tokens == 0


def test_repeats_are_averaged_within_their_case() -> None:
    often_wrong = [answered("a", said, id="often") for said in ("a", "b", "b", "b")]
    actual = accuracy([answered("a", "a", id="once"), *often_wrong]).strict
    assert (actual.n, actual.value) == (2, 0.625)


def test_case_with_different_wrong_repeats_is_unstable() -> None:
    results = [answered("a", said, id=case) for case, said in (("x", "b"), ("x", "c"), ("y", "b"), ("y", "b"))]
    assert summarize(results).unstable == rate(1, 2)
    assert summarize([RIGHT, WRONG]).unstable is None


def test_context_without_expected_answer_is_not_scored() -> None:
    passage = replace(answered("a", "a"), score=None)
    actual = summarize([passage, RIGHT])
    assert (actual.n, actual.answered, actual.judged, actual.accuracy.strict) == (2, 2, 1, rate(1, 1))


def test_violations_are_sorted_by_frequency_then_name() -> None:
    actual = summarize([UNCLEAR, BADLY_PHRASED, BADLY_PHRASED, RIGHT])
    assert actual.violations == (("preamble", 2), ("hedged", 1), ("multiple_labels", 1))


def test_each_tag_is_a_slice_with_its_own_denominator() -> None:
    results = [
        answered("a", "a", tags=("hard", "short")),
        answered("a", "b", tags=("hard",)),
        answered("a", "a"),
        failed(tags=("hard",)),
        failed(tags=("broken",)),
    ]
    actual = dict(summarize(results).by_tag)
    assert list(actual) == ["broken", "hard", "short"]
    assert {tag: (one.strict.hits, one.strict.n) for tag, one in actual.items()} == {
        "broken": (0, 0),
        "hard": (1, 2),
        "short": (1, 1),
    }


def test_each_label_source_is_a_slice() -> None:
    def labelled(result: Result, source: str) -> Result:
        return replace(result, case=replace(result.case, label_source=source))

    context = labelled(replace(answered("a", "a"), score=None), "nobody")
    context = replace(context, case=replace(context.case, expected=None))
    by_model = [labelled(answered("a", "a"), "gpt-4o"), labelled(answered("a", "b"), "gpt-4o")]
    actual = dict(
        summarize([*by_model, labelled(answered("a", "a"), "human"), answered("a", "a"), context]).by_label_source
    )
    assert {source: (one.strict.hits, one.strict.n) for source, one in actual.items()} == {
        "gpt-4o": (1, 2),
        "human": (1, 1),
    }


def test_latency_and_tokens_skip_missing_values() -> None:
    results = [answered("a", "a", latency_s=float(i), prompt_tokens=10, completion_tokens=i) for i in range(1, 22)]
    actual = summarize([*results, answered("a", "a"), failed()])
    assert (actual.latency_p50_s, actual.latency_p95_s) == (11.0, 20.0)
    assert (actual.prompt_tokens, actual.completion_tokens) == (210, 231)


def test_cached_answers_are_counted() -> None:
    assert summarize([RIGHT, answered("a", "a", cached=True)]).cached == 1


def test_empty_run_has_empty_summary() -> None:
    actual = summarize([])
    assert (actual.n, actual.answered, actual.errors, actual.by_tag, actual.latency_p95_s) == (0, 0, (), (), None)
    assert math.isnan(actual.accuracy.strict.value)
    assert (actual.accuracy.strict.low, actual.accuracy.strict.high) == (0.0, 1.0)
