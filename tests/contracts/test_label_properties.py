"""Properties of the label contract for any reply and any labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.contracts.label.contract import LabelContract
from harness.core.types import Response

from ..support.linear import assert_linear

WORDS = st.sampled_from(
    [
        "billing",
        "technical",
        "spam",
        "not spam",
        "card_arrival",
        "card_delivery",
        "c++",
        "c#",
        "a|b",
        "(none)",
        "1",
        "1.0",
        "10",
        "A",
        "B",
        "(C)",
        "no",
        "on",
        "积极",
        "中性",
        "да",
        "été",
        "straße",
        "İstanbul",
        "N/A",
        "x.y*",
        "[ok]",
        "हाँ",
        "긍정",
    ]
)
LETTERS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)
LABELS = st.lists(st.one_of(WORDS, LETTERS), min_size=1, max_size=6, unique_by=str.casefold).map(tuple)
PIECES = st.sampled_from(
    [
        " ",
        "\n",
        ". ",
        ", ",
        "not ",
        " or ",
        "Category: ",
        "The answer is ",
        "**",
        "`",
        '"',
        "<think>",
        "</think>",
        "{",
        "}",
        "<|im_end|>",
        "<|im_start|>user",
        "```",
        "\\boxed{",
        "(",
        ")",
        "?",
        "maybe ",
        "[INST]",
        "́",
        "\ufeff",
        "：",
        "~~",
    ]
)


@st.composite
def replies(draw: st.DrawFn) -> tuple[LabelContract, str]:
    """Contract, and a reply that mixes its labels, markup and arbitrary text."""
    labels = draw(LABELS)
    parts = draw(st.lists(st.one_of(st.sampled_from(labels), PIECES, st.text(max_size=6)), max_size=10))
    return LabelContract(labels, case_sensitive=draw(st.booleans())), "".join(parts)


@given(replies())
def test_reading_is_total_and_deterministic(case: tuple[LabelContract, str]) -> None:
    contract, text = case
    reading = contract.read(Response(text=text))
    assert reading == contract.read(Response(text=text))
    assert reading.lenient is None or reading.lenient in contract.labels
    assert reading.compliant == (reading.strict is not None)
    assert reading.compliant or reading.violations or reading.reasoning is not None


@given(replies())
def test_strict_equals_the_stripped_reply(case: tuple[LabelContract, str]) -> None:
    contract, text = case
    reading = contract.read(Response(text=text))
    same = (lambda s: s) if contract.case_sensitive else str.casefold
    expected = [label for label in contract.labels if same(label.strip()) == same(text.strip())]
    assert reading.strict == (expected[0] if expected else None)
    if reading.compliant:
        assert reading.lenient == reading.strict
        assert reading.violations == ()


@given(LABELS, st.data())
def test_preamble_does_not_change_the_answer(labels: tuple[str, ...], data: st.DataObject) -> None:
    assume(not {"the", "category", "is"} & {label.casefold() for label in labels})  # then the preamble names one, too
    contract = LabelContract(labels)
    label = data.draw(st.sampled_from(labels))
    bare = contract.read(Response(text=label))
    introduced = contract.read(Response(text=f"The category is: {label}"))
    assert bare.lenient == label
    assert introduced.lenient == label
    assert not introduced.compliant


@given(LABELS, st.data())
def test_reasoning_block_does_not_change_the_answer(labels: tuple[str, ...], data: st.DataObject) -> None:
    contract = LabelContract(labels)
    label, other = data.draw(st.sampled_from(labels)), data.draw(st.sampled_from(labels))
    reading = contract.read(Response(text=f"<think>It may be {other}.</think>\n{label}"))
    assert (reading.strict, reading.lenient) == (None, label)
    assert reading.violations == ("think_block",)


HOSTILE: dict[str, Callable[[int], str]] = {
    name: (lambda n, unit=unit: "x " + unit * (n // len(unit)))  # type: ignore[misc]
    for name, unit in {
        "spaces": " ",
        "newlines": "\n",
        "quotes": '"',
        "apostrophes": "'",
        "labels": "technical ",
        "glued labels": "technical",
        "two labels": "technical billing ",
        "lists": "technical, billing\n",
        "keys": "Category: technical\n",
        "unknown keys": "\nlabel: \n",
        "denials": "not ",
        "open blocks": "<think>",
        "closed blocks": "</think>",
        "blocks": "<think></think>",
        "turns": "<|assistant|><|user|>",
        "tokens": "<|a|>",
        "half tokens": "<|",
        "backticks": "`",
        "brackets": "[(",
        "braces": '{"',
        "dots": ".",
        "stars": "*",
        "dashes": "-",
        "colons": ": ",
        "digits": "1",
        "marks": "e\u0301\u0323",
        "wide": "：",
        "capitals": "TECHNICAL",
    }.items()
}


@pytest.mark.parametrize("name", HOSTILE)
def test_reading_takes_linear_time(name: str) -> None:
    contract = LabelContract(("billing", "technical", "general"))
    assert_linear(lambda text: contract.read(Response(text)), HOSTILE[name])
