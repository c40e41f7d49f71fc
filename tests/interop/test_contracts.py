"""Which contract imported replies are read by, and what the two that are only here make of a reply."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from harness.core.types import Case, Response
from harness.interop.contracts import Boxed, Equal, Given, Judge, Labels, boxes, choose
from harness.interop.rows import Row


def rows(expected: Sequence[Any], **more: Any) -> list[Row]:
    return [Row(f"x:{i}", str(i), expected=e, reply="r", **more) for i, e in enumerate(expected)]


@pytest.mark.parametrize(
    ("given", "kind", "labels", "chosen"),
    [
        (rows(["a", "b"] * 10), None, (), Labels(("a", "b"))),
        (rows(["a", "b"] * 10), "equal", (), Equal()),
        (rows(["a", "b"] * 10), None, ("b", "a", "c"), Labels(("b", "a", "c"))),
        (rows(["a", "b"] * 2), None, (), Equal()),
        (rows([1, 2] * 10), None, (), Labels(("1", "2"))),
        (rows([f"answer {i}" for i in range(40)]), None, (), Equal()),
        (rows(["A", "a"] * 10), None, (), Labels(("A", "a"))),
        (rows(["x" * 41, "y"] * 10), None, (), Equal()),
        (rows([r"\boxed{1}", r"\\boxed{2}"]), None, (), Boxed()),
        (rows([r"\boxed{1}"], allowed=(r"\boxed{N}",)), None, (), Boxed()),
        (rows([r"\boxed{1}", "2"]), None, (), Equal()),
        (rows(["a", "b"], allowed=("a", "b")), None, (), Labels()),
        (rows(["a", "b"] * 10, right=(True, False), measure="acc"), None, (), Given("acc")),
        (rows(["a", "b"] * 10, right=(True, False)), None, ("a", "b"), Labels(("a", "b"))),
    ],
)
def test_the_rows_decide_where_the_user_does_not(
    given: list[Row], kind: str | None, labels: tuple[str, ...], chosen: Judge
) -> None:
    assert choose(given, kind, labels) == chosen


@pytest.mark.parametrize(
    ("reply", "answer", "codes"),
    [
        (r"So there are \boxed{3} of them.", "3", ()),
        (r"$\\boxed{ 3 }$", "3", ()),
        (r"\boxed{3}, as I said: \boxed{3}", "3", ()),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", ()),
        (r"first \boxed{3}, or rather \boxed{4}", None, ("multiple_values",)),
        (r"It is 3.", None, ("no_answer",)),
        (r"\boxed{3", None, ("no_answer",)),
        (" \n", None, ("empty",)),
    ],
)
def test_a_boxed_answer_is_the_only_thing_in_boxes(reply: str, answer: str | None, codes: tuple[str, ...]) -> None:
    reading, score = Boxed().judge(Case("1", {}, "3"), Response(text=reply))
    assert (reading.strict, reading.lenient, reading.violations) == (answer, answer, codes)
    assert reading.compliant == (answer is not None)
    assert score.strict == score.lenient == (answer == "3")


def test_the_number_of_backslashes_does_not_matter() -> None:
    assert Boxed().expected(rows([r"\\boxed{1}"])[0]) == Boxed().expected(rows([r"\boxed{1}"])[0]) == "1"


def test_a_reply_of_nothing_but_boxes_is_read_at_once() -> None:
    started = time.perf_counter()
    assert list(boxes("\\" * 200_000 + r"\boxed{" * 200_000)) == []
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("Paris", True, True),
        (" Paris\n", True, True),
        ("PARIS", False, True),
        ("Paris, France", False, False),
        ("", False, False),
    ],
)
def test_an_equal_answer_is_the_whole_reply(reply: str, strict: bool, lenient: bool) -> None:
    reading, score = Equal().judge(Case("1", {}, "Paris"), Response(text=reply))
    assert (score.strict, score.lenient) == (strict, lenient)
    assert reading.compliant == bool(reply)
