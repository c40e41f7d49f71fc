"""Choice of the judge for imported replies; boxed-answer and equality judges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.core.types import Case, Response
from harness.interop.contracts import (
    BoxedAnswerJudge,
    EqualityJudge,
    LabelJudge,
    RecordedJudge,
    ReplyJudge,
    boxes,
    choose,
)
from harness.interop.rows import ImportedRow

from ..support.linear import assert_linear


def rows(expected: Sequence[Any], **more: Any) -> list[ImportedRow]:
    return [ImportedRow(f"x:{i}", str(i), expected=e, reply="r", **more) for i, e in enumerate(expected)]


@pytest.mark.parametrize(
    ("given", "kind", "labels", "chosen"),
    [
        (rows(["a", "b"] * 10), None, (), LabelJudge(("a", "b"))),
        (rows(["a", "b"] * 10), "equal", (), EqualityJudge()),
        (rows(["a", "b"] * 10), None, ("b", "a", "c"), LabelJudge(("b", "a", "c"))),
        (rows(["a", "b"] * 2), None, (), EqualityJudge()),
        (rows([1, 2] * 10), None, (), LabelJudge(("1", "2"))),
        (rows([f"answer {i}" for i in range(40)]), None, (), EqualityJudge()),
        (rows(["A", "a"] * 10), None, (), LabelJudge(("A", "a"))),
        (rows(["x" * 41, "y"] * 10), None, (), EqualityJudge()),
        (rows([r"\boxed{1}", r"\\boxed{2}"]), None, (), BoxedAnswerJudge()),
        (rows([r"\boxed{1}"], allowed=(r"\boxed{N}",)), None, (), BoxedAnswerJudge()),
        (rows([r"\boxed{1}", "2"]), None, (), EqualityJudge()),
        (rows(["a", "b"], allowed=("a", "b")), None, (), LabelJudge()),
        (rows(["a", "b"] * 10, right=(True, False), measure="acc"), None, (), RecordedJudge("acc")),
        (rows(["a", "b"] * 10, right=(True, False)), None, ("a", "b"), LabelJudge(("a", "b"))),
    ],
)
def test_judge_is_inferred_from_rows(
    given: list[ImportedRow], kind: str | None, labels: tuple[str, ...], chosen: ReplyJudge
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
def test_boxed_judge_needs_one_distinct_box(reply: str, answer: str | None, codes: tuple[str, ...]) -> None:
    reading, score = BoxedAnswerJudge().judge(Case("1", {}, "3"), Response(text=reply))
    assert (reading.strict, reading.lenient, reading.violations) == (answer, answer, codes)
    assert reading.compliant == (answer is not None)
    assert score.strict == score.lenient == (answer == "3")


def test_number_of_backslashes_does_not_matter() -> None:
    assert (
        BoxedAnswerJudge().expected(rows([r"\\boxed{1}"])[0])
        == BoxedAnswerJudge().expected(rows([r"\boxed{1}"])[0])
        == "1"
    )


def test_boxes_take_linear_time() -> None:
    def read(text: str) -> None:
        assert list(boxes(text)) == []

    assert_linear(read, lambda size: "\\" * (size // 2) + r"\boxed{" * (size // 2))


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
def test_equality_judge_compares_the_whole_reply(reply: str, strict: bool, lenient: bool) -> None:
    reading, score = EqualityJudge().judge(Case("1", {}, "Paris"), Response(text=reply))
    assert (score.strict, score.lenient) == (strict, lenient)
    assert reading.compliant == bool(reply)
