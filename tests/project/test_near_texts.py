"""Near duplicates: what a reader takes for the same text typed twice, and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.project import near_texts
from harness.project.near_texts import Text, near_pairs

TEXT = "The invoice of last month does not show the discount that you promised"


def are_alike(one: Any, two: Any, *others: str) -> bool:
    """Whether both are near duplicates in a set with `others`. A text is the only input of its case."""
    inputs = [value if isinstance(value, dict) else {"text": value} for value in (one, two, *others)]
    texts = [Text.of(value) for value in inputs]
    return texts[0].key == texts[1].key or (0, 1) in near_pairs(texts)


@pytest.mark.parametrize(
    "copy",
    [
        TEXT.upper(),
        f"  {TEXT.replace(' ', '  ')}\n",
        f"“{TEXT}!”",
        TEXT.replace("promised", "promi-sed"),
        TEXT.replace("discount", "discuont"),
        TEXT.replace("discount", "discunt"),
        TEXT.replace("discount", "disscount"),
        TEXT.replace("show", "show show"),
        TEXT.replace("the discount", "discount"),
        f"Hi, {TEXT} please",
    ],
)
def test_text_typed_twice_is_a_near_duplicate(copy: str) -> None:
    assert are_alike(TEXT, copy)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (f"{TEXT} for order 123.", f"{TEXT} for order 124."),
        (f"{TEXT} of 1.5 percent", f"{TEXT} of 15 percent"),
        (TEXT, TEXT.replace("does not", "does")),
        (TEXT, TEXT.replace("month", "week")),
        (TEXT, TEXT.replace("discount", "discounts")),
        (f"{TEXT} to Janssen", f"{TEXT} to Jansson"),
        (f"{TEXT} to Janssen", f"{TEXT} to Jansson".lower()),
        (f"{TEXT} 😀", f"{TEXT} 😡"),
        ("move it from savings to checking today", "move it from checking to savings today"),
        ("turn the light on in my room", "turn the light off in my room"),
        ("shipping cost", "shopping cost"),
        ("他今天想要取消这个订单并且退款", "她今天想要取消这个订单并且退款"),
        ("!!!", "???"),
    ],
)
def test_one_decisive_word_makes_texts_different(one: str, two: str) -> None:
    assert not are_alike(one, two)


def test_words_that_other_texts_use_are_no_typing_errors() -> None:
    one, two = "please check the contact before we send it", "please check the contract before we send it"
    assert are_alike(one, two)
    assert not are_alike(one, two, "a contract", "a contact")


def test_every_input_must_be_alike() -> None:
    one = {"text": TEXT, "question": "who wrote it", "year": 2026}
    assert are_alike(one, {**one, "text": f"{TEXT}!"})
    assert not are_alike(one, {**one, "question": "who read it"})
    assert not are_alike(one, {**one, "year": 2027})
    assert not are_alike(one, {"text": TEXT})


def test_large_set_compares_neighbours_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_texts, "COMPARISONS", 1)
    assert are_alike(TEXT, TEXT.replace("discount", "discuont"))
