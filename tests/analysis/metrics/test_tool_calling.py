"""Comparison of calls and tool-calling metrics, checked against tables counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.metrics.calls import ArgumentCounts, arguments, fits, matched, same, same_tools
from harness.analysis.metrics.tool_calling import IN_DOUBT, NO_CALL, ToolScore, call_tools, measures
from harness.analysis.stats import rate
from harness.core.types import Case, Reading, Response, Result, Score

from .results import failed


def call(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "arguments": given}


@pytest.mark.parametrize(
    ("expected", "given", "will_do"),
    [
        (29.8, 29.80, True),
        ("2026-12-31", "2026-12-31T00:00:00", True),
        ("Leeds", " leeds", True),
        (None, None, True),
        (None, "", False),
        ({"any_of": ["email", None]}, None, True),
        ({"any_of": ["email", None]}, "Email", True),
        ({"any_of": ["email", None]}, "sms", False),
        ({"contains": ["vat", ["id", "number"]]}, "Wrong VAT number", True),
        ({"contains": ["vat", ["id", "number"]]}, "Wrong VAT", False),
        ({"contains": ["vat"]}, None, False),
        ({"anything": True}, 0, True),
        ({"anything": True}, None, False),
        ({"city": {"any_of": ["Wien", "Vienna"]}, "zip": "1070"}, {"city": "vienna", "zip": "1070"}, True),
        ({"city": "Wien"}, {"city": "Wien", "zip": "1070"}, False),
        ([{"any_of": [1, 2]}, 3], [2, 3], True),
        ([1, 2], [2, 1], False),
    ],
)
def test_argument_matches_value_or_matcher(expected: Any, given: Any, *, will_do: bool) -> None:
    assert fits(expected, given) is will_do


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ([call("a", x=1), call("b")], True),
        ([call("b"), call("a", x=1)], True),
        ([call("a", x=1), call("b", y=2)], False),
        ([call("a", x=1)], False),
        ([call("a", x=1), call("b"), call("b")], False),
        ([], False),
        (None, False),
    ],
)
def test_calls_match_in_any_order_without_extras(given: Any, *, right: bool) -> None:
    assert same([call("a", x=1), call("b")], given) is right


def test_empty_calls_match_only_empty_calls() -> None:
    assert (same([], []), same([], [call("a")]), same([], None)) == (True, False, False)


def test_ambiguous_calls_use_a_maximum_matching() -> None:
    expected = [call("a", x={"any_of": [1, 2]}), call("a", x=1)]
    assert matched(expected, [call("a", x=1), call("a", x=2)]) == 2


def test_same_tools_counts_each_tool() -> None:
    expected = [call("a"), call("a"), call("b")]
    assert same_tools(expected, [call("b"), call("a", x=1), call("a")])
    assert not same_tools(expected, [call("b"), call("a")])
    assert not same_tools([], None)


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ([call("a", x=1, y=2)], ArgumentCounts(2, 2)),
        ([call("a", x=1)], ArgumentCounts(1, 2)),
        ([call("a", x=1, y=2, opt="no")], ArgumentCounts(2, 3)),
        ([call("b", x=1, y=2)], ArgumentCounts(0, 2)),
        ([call("a", x=9, y=9), call("a", x=1, y=2)], ArgumentCounts(2, 2)),
        ([], ArgumentCounts(0, 2)),
        (None, ArgumentCounts(0, 2)),
    ],
)
def test_arguments_are_counted_in_the_best_matching_call(given: Any, counted: ArgumentCounts) -> None:
    assert arguments([call("a", x=1, y=2, opt={"any_of": ["yes", None]})], given) == counted


@pytest.mark.parametrize(
    ("expected", "given", "values"),
    [
        ([call("a", x=1)], [call("a", x=2)], (1.0, 0.0, None, 0.0)),
        ([call("a", x=1)], [], (0.0, 0.0, None, 1.0)),
        ([call("a", x=1)], None, (0.0, 0.0, None, 1.0)),
        ([], [], (1.0, None, 0.0, None)),
        ([], [call("a")], (0.0, None, 1.0, None)),
        ([], None, (0.0, None, 0.0, None)),
    ],
)
def test_measures_of_one_reply(expected: Any, given: Any, values: tuple[float | None, ...]) -> None:
    actual = measures(expected, given)
    assert list(actual) == ["tool_accuracy", "argument_accuracy", "false_call", "missed_call"]
    assert tuple(actual.values()) == values


def result(case_id: str, expected: list[Any], lenient: Any, strict: Any = None, repeat: int = 0) -> Result:
    reading = Reading(strict, lenient, compliant=strict is not None)
    case = Case(case_id, {"text": "x"}, {"calls": expected})
    return Result(case, Response(), reading, Score(same(expected, strict), same(expected, lenient)), "", repeat=repeat)


TABLE = [
    result("right", [call("a", x=1)], [call("a", x=1)], [call("a", x=1)]),
    result("in text", [call("a", x=1)], [call("a", x=1)]),
    result("argument", [call("a", x=1)], [call("a", x=2)]),
    result("tool", [call("a", x=1)], [call("b")]),
    result("missed", [call("b")], []),
    result("doubt", [call("b")], None),
    result("false", [], [call("b")]),
    result("none", [], [], []),
]


def test_metrics_of_a_run_match_the_table() -> None:
    actual = call_tools([*TABLE, failed()], lenient=True)
    assert actual is not None
    assert (actual.whole, actual.tools) == (rate(3, 8), rate(4, 8))
    assert (actual.false_calls, actual.missed_calls) == (rate(1, 2), rate(2, 6))
    assert (actual.arguments.value, actual.arguments.n) == (0.5, 4)
    assert actual.per_tool == (ToolScore("a", 4, 3, 2), ToolScore("b", 2, 2, 0))
    assert actual.confusions == ((NO_CALL, "b", 1), ("a", "b", 1), ("b", IN_DOUBT, 1), ("b", NO_CALL, 1))


def test_strict_metrics_count_only_usable_replies() -> None:
    actual = call_tools(TABLE)
    assert actual is not None
    assert (actual.whole, actual.false_calls) == (rate(2, 8), rate(0, 2))
    assert actual.per_tool[0] == ToolScore("a", 4, 1, 1)


def test_case_with_repeats_counts_once() -> None:
    actual = call_tools([result("c", [], [call("b")], repeat=0), result("c", [], [], repeat=1)], lenient=True)
    assert actual is not None
    assert (actual.false_calls.value, actual.false_calls.n) == (0.5, 1)


def test_run_without_answers_has_no_metrics() -> None:
    assert call_tools([failed()]) is None
