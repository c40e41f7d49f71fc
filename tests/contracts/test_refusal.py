"""Refusal detection: cases/refusal.json, measured accuracy, and linear time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts._refusal import is_refusal
from harness.contracts.label.contract import LabelContract
from harness.core.types import Response

from ..support.linear import assert_linear

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = json.loads((HERE / "cases/refusal.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(reply, answer == "refusals", id=f"{group}: {reply[:40]!r}")
    for answer, groups in TABLE.items()
    for group, replies in groups.items()
    for reply in replies
]
TICKETS = LabelContract(("billing", "technical", "general"))
ARGUMENT = "The customer mentions the invoice twice and the crash of the application once. " * 10


@pytest.mark.parametrize(("reply", "refused"), CASES)
def test_refusal_matches_the_case_table(reply: str, refused: bool) -> None:
    assert is_refusal(reply) is refused
    assert is_refusal(f"\n  {reply}\n") is refused
    assert is_refusal(reply.replace("'", "’")) is refused


@pytest.mark.parametrize("reply", ["", " ", "\n", "technical", '""', "42", "…"])
def test_empty_reply_is_not_a_refusal(reply: str) -> None:
    assert not is_refusal(reply)


def test_long_reply_can_end_in_a_refusal() -> None:
    assert is_refusal(ARGUMENT + "Therefore, I cannot determine the category.")
    assert is_refusal(ARGUMENT + "So I am unable to classify it.")
    assert not is_refusal(ARGUMENT + "So the category is billing.")


def test_refusal_words_inside_a_long_reply_are_ignored() -> None:
    assert not is_refusal(ARGUMENT + "I cannot provide my number, he wrote. " + ARGUMENT)


@pytest.mark.parametrize(
    ("reply", "lenient", "code"),
    [
        ("I'm sorry, but I cannot classify this ticket without more information.", None, "refusal"),
        ("I'm sorry, but I cannot say whether it is billing or technical, so I must decline.", None, "refusal"),
        ("As an AI, I have no opinion, but the answer is: technical", "technical", "preamble"),
        ("I can't tell you more than that. Category: technical", "technical", "preamble"),
        ("The customer says they cannot log in, so the category is technical", "technical", "preamble"),
        ("technical\n\nI cannot provide further details.", "technical", "trailing_text"),
        ("Unable to classify.", None, "refusal"),
    ],
)
def test_answer_outweighs_refusal_words(reply: str, lenient: str | None, code: str) -> None:
    reading = TICKETS.read(Response(text=reply))
    assert reading.lenient == lenient
    assert code in reading.violations


@given(st.text(max_size=700))
def test_refusal_detection_is_deterministic(text: str) -> None:
    assert is_refusal(text) == is_refusal(text)


UNITS = {
    "spaces": " ",
    "newlines": "\n",
    "quotes": '"',
    "open quotes": '"a ',
    "apostrophes": "'",
    "i": "i ",
    "adverbs": "really ",
    "i cannot": "i cannot really ",
    "i have no": "i have no a a a ",
    "sorry": "sorry, but ",
    "not something": "not something i ",
    "my": "my a a ",
    "said": "says: i cannot help ",
    "prompts": "the question ",
    "it is not": "it is not ",
    "however": "but however ",
    "dots": ". ",
    "marks": "e\u0301\u0323",
    "capitals": "İ",
}


@pytest.mark.parametrize("name", UNITS)
def test_reading_takes_linear_time(name: str) -> None:
    assert_linear(is_refusal, lambda size: "x " + UNITS[name] * (size // len(UNITS[name])))


def test_refusal_accuracy_is_as_documented(public_data: Callable[[str], Path]) -> None:
    """`xstest_refusals.jsonl` has `id`, `model`, `prompt`, `reply` and `gold` (two annotators) on each line."""
    sys.path.insert(0, str(ROOT / "bench"))
    import refusals

    rows = refusals.load(public_data("xstest_refusals.jsonl"))
    for part in (rows, *([row for row in rows if row.half == half] for half in (0, 1))):
        score = refusals.score(part)
        assert score.precision >= 0.95
        assert score.recall >= 0.90
