"""Properties of the JSON contract for any reply."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.json.contract import JsonContract
from harness.core.types import Response

from ..support.linear import assert_linear

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}, "tags": {"type": "array"}, "more": {}},
    "required": ["name"],
    "additionalProperties": False,
}
CONTRACT = JsonContract(SCHEMA)
CONTRACTS = [
    CONTRACT,
    JsonContract({}),
    JsonContract({"type": "array", "uniqueItems": True}),
    JsonContract({"type": "string"}),
]
PIECES = st.sampled_from(
    [
        *(
            '{"name": ',
            '"',
            "'",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\\",
            '"name"',
            '"count"',
            "name",
            '{"name": "x"}',
        ),
        *("//", "/*", "*/", "#", "```", "```json\n", "NaN", "null", "True", "1", "1e999", "-", "<think>", "</think>"),
        *("<|im_end|>", "“", "”", "\ufeff", "\u0301", "\ud800", "Final answer: ", "I cannot help", '"{', '}"'),
        "9" * 5000,
        "[" * 3000,
    ]
)
TEXT = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from(["{", "}", '"', "'", "\\", "```", "\n", "</s>", "<think>", ",", ":", "a"]), max_size=6
    ).map("".join),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries(
    {"name": TEXT}, optional={"count": st.integers(), "tags": st.lists(VALUES, max_size=3), "more": VALUES}
)


@given(
    st.sampled_from(CONTRACTS),
    st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=40)),
    st.booleans(),
)
def test_reading_is_total_and_deterministic(contract: JsonContract, text: str, cut: bool) -> None:
    response = Response(text=text, finish_reason="length" if cut else "stop")
    reading = contract.read(response)
    assert reading == contract.read(response)
    assert reading.compliant == (reading.strict is not None)
    assert reading.compliant == (reading.violations == ())
    if reading.lenient is not None:
        assert contract.read(Response(text=json.dumps(reading.lenient))).compliant


@given(st.one_of(RECORDS, VALUES), st.sampled_from([None, 2]))
def test_strict_equals_json_loads_and_implies_lenient(value: Any, indent: int | None) -> None:
    for contract in CONTRACTS:
        reading = contract.read(Response(text=json.dumps(value, indent=indent)))
        if reading.compliant:
            assert reading.strict == value
            assert reading.lenient == reading.strict


@given(RECORDS)
def test_valid_record_is_strict(record: dict[str, Any]) -> None:
    assert CONTRACT.read(Response(text=json.dumps(record))).strict == record


@pytest.mark.parametrize(
    ("wrap", "codes"),
    [
        ("```json\n{}\n```", {"code_fence"}),
        ("```\n{}\n```", {"code_fence"}),
        ("Here is the JSON: {}", {"preamble"}),
        ("Sure!\n\n```json\n{}\n```\n\nI hope this helps.", {"preamble", "code_fence", "trailing_text"}),
        ("{}\nThat is all.", {"trailing_text"}),
    ],
)
@given(record=RECORDS, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_surrounding_text_does_not_change_the_value(
    wrap: str, codes: set[str], record: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    reply = wrap.replace("{}", json.dumps(record, indent=indent, ensure_ascii=ascii_only))
    reading = CONTRACT.read(Response(text=reply))
    assert reading.lenient == record
    assert reading.strict is None
    assert set(reading.violations) == codes


@given(RECORDS)
def test_python_literals_give_the_same_value(record: dict[str, Any]) -> None:
    reading = CONTRACT.read(Response(text=repr(record)))
    assert reading.lenient in (None, record)


def test_escaped_quote_does_not_end_a_truncated_string() -> None:
    reading = CONTRACT.read(Response(text='{"name": "\\"}', finish_reason="length"))
    assert (reading.lenient, "truncated" in reading.violations) == (None, True)


@given(RECORDS, st.data())
def test_truncated_record_never_gives_a_new_value(record: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(record)
    reading = CONTRACT.read(Response(text=text[: data.draw(st.integers(0, len(text) - 1))], finish_reason="length"))
    assert "truncated" in reading.violations
    if reading.lenient is not None:
        assert all(record[key] == value for key, value in reading.lenient.items())


HOSTILE: dict[str, Callable[[int], str]] = {
    f"{before}{unit}": (lambda n, before=before, unit=unit: before + unit * (n // len(unit)))  # type: ignore[misc]
    for before in ("", '{"name": "x" y, ', '{"tags": ["', "{'name': [", '```json\n{"name": "')
    for unit in [
        *(
            "{",
            "[",
            '"',
            "\\",
            "'",
            "[{",
            '{"name":',
            '{"name":"',
            "{'a",
            "{name:",
            "{}",
            "}",
            ",",
            "\n",
            " ",
            "```",
            "```{",
        ),
        *(
            "//",
            "/*",
            "# ",
            "{#",
            '"name": "x", ',
            '{"name": "x"}',
            '{"count": "1"}, ',
            '"a" ',
            "“",
            "<think>{",
            '\\"name\\": ',
        ),
        *('{"name": "x" y}\n', "1,", '```json\n{"name"'),
    ]
}


@pytest.mark.parametrize("name", HOSTILE)
def test_reading_takes_linear_time(name: str) -> None:
    assert_linear(lambda text: CONTRACT.read(Response(text)), HOSTILE[name])
