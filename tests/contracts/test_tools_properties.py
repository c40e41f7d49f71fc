"""Properties of the tool contract for any reply."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.tools.contract import ToolContract
from harness.core.types import Response

from ..support.linear import assert_linear

ANY = {"type": ["string", "number", "boolean", "array", "object"]}
TOOLS = tuple(
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"x": ANY, "some_text": {"type": "string"}}},
        },
    }
    for name in ("find_it", "shop.buy", "stop")
)
NATIVE, TEXT = ToolContract(TOOLS), ToolContract(TOOLS, calls="text")
CONTRACTS = st.sampled_from([NATIVE, TEXT])
PIECES = st.sampled_from(
    [
        *(
            '{"name": ',
            '"find_it"',
            '"arguments": ',
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            "'",
            "\n",
            " ",
            "\\",
            "find_it",
            "(",
        ),
        *(
            ")",
            "find_it(",
            "x=",
            '{"x": 1}',
            "shop.buy(x=1)",
            "<tool_call>",
            "</tool_call>",
            "<function=find_it>",
            "```",
        ),
        *("</function>", "<parameter=x>", "</parameter>", "Action: find_it\nAction Input: ", "[TOOL_CALLS]", "<think>"),
        *(
            "</think>",
            "<|python_tag|>",
            "<|im_end|>",
            "Observation: ",
            "or",
            "I cannot help",
            "null",
            "NaN",
            "1e999",
            "-",
        ),
        *("\ud800", "\ufeff", "9" * 5000, "[" * 3000, "(" * 3000, '{"find_it": {}}', "\x00", "lambda: ", "f''", "b''"),
    ]
)
REPLIES = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=40))
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(10**9), 10**9),
        st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=12),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(codec="ascii", categories=["L"]), max_size=5), inner, max_size=3),
    ),
    max_leaves=6,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["find_it", "shop.buy", "stop"]), "arguments": st.dictionaries(st.just("x"), VALUES)}
    ),
    min_size=1,
    max_size=3,
)


def native(calls: list[dict[str, Any]]) -> Response:
    return Response(
        tool_calls=tuple(
            {"type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
            for call in calls
        )
    )


@given(CONTRACTS, REPLIES, st.booleans())
def test_reading_is_total_and_deterministic(contract: ToolContract, text: str, cut: bool) -> None:
    response = Response(text, "length" if cut else "stop")
    reading = contract.read(response)
    assert reading == contract.read(response)
    assert reading.compliant == (reading.strict is not None) == (reading.violations == ())
    if reading.strict is not None:
        assert reading.lenient == reading.strict


@given(CONTRACTS, st.one_of(st.none(), st.text(max_size=8), REPLIES), REPLIES)
def test_any_protocol_call_is_read(contract: ToolContract, name: str | None, arguments: str) -> None:
    response = Response(tool_calls=({"type": "function", "function": {"name": name, "arguments": arguments}}, {}))
    assert contract.read(response) == contract.read(response)


@given(CALLS)
def test_call_that_satisfies_its_schema_is_strict(calls: list[dict[str, Any]]) -> None:
    assert NATIVE.read(native(calls)).strict == calls
    assert TEXT.read(Response(json.dumps(calls))).strict == calls


@pytest.mark.parametrize(
    "write",
    [
        lambda calls: json.dumps(calls, indent=2),
        lambda calls: f"Let me see.\n```json\n{json.dumps(calls)}\n```",
        lambda calls: "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls),
        lambda calls: f"[TOOL_CALLS] {json.dumps(calls, ensure_ascii=False)}",
        lambda calls: "".join(f"<function={c['name']}>{json.dumps(c['arguments'])}</function>" for c in calls),
        lambda calls: (
            "["
            + ", ".join(f"{c['name']}({', '.join(f'{k}={v!r}' for k, v in c['arguments'].items())})" for c in calls)
            + "]"
        ),
    ],
    ids=["JSON", "fenced", "Hermes", "Mistral", "function tags", "Python"],
)
@given(calls=CALLS)
def test_no_notation_gives_other_calls(write: Callable[[Any], str], calls: list[dict[str, Any]]) -> None:
    reading = NATIVE.read(Response(write(calls)))
    assert reading.strict is None
    assert reading.lenient in (None, calls)


@given(CALLS, st.sampled_from(["I will look that up.\n\n", "One moment, please: ", "Sure!\n"]))
def test_text_before_calls_does_not_change_them(calls: list[dict[str, Any]], words: str) -> None:
    reading = TEXT.read(Response(words + json.dumps(calls)))
    assert reading.lenient == calls
    assert "preamble" in reading.violations


LETTERS_OF_JSON = st.text("json", min_size=1, max_size=8)


@given(LETTERS_OF_JSON, st.sampled_from([" ", "\n", ": ", "` "]))
def test_word_of_json_letters_is_not_a_code_fence(word: str, gap: str) -> None:
    call = {"name": "find_it", "arguments": {"some_text": "a"}}
    function = {"name": "find_it", "arguments": word + gap + json.dumps(call["arguments"])}
    of_protocol = NATIVE.read(Response(tool_calls=({"type": "function", "function": function},)))
    assert (of_protocol.strict, of_protocol.lenient) == (None, None)
    assert of_protocol.violations == ("invalid_json",)
    in_text = TEXT.read(Response(word + gap + json.dumps(call)))
    assert (in_text.strict, in_text.lenient, in_text.violations) == (None, [call], ("preamble",))


@given(CALLS, st.data())
def test_truncated_calls_never_give_a_new_call(calls: list[dict[str, Any]], data: st.DataObject) -> None:
    text = "\n".join(map(json.dumps, calls))
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    reading = NATIVE.read(Response(cut, "length"))
    assert reading.lenient is None or reading.lenient == calls[: len(reading.lenient)]
    assert "truncated" in reading.violations


HOSTILE = [
    *(
        "{",
        "[{",
        '{"name": "find_it", ',
        '{"name": "find_it", "arguments": {"x": "',
        "find_it(",
        "find_it(x=(",
        "find_it{",
        "(",
    ),
    *(
        "find_it(x='",
        "<function=find_it>",
        "<function=find_it><parameter=x>",
        "<tool_call>",
        "Action: find_it\n",
        "\n",
        " ",
    ),
    *(
        "Action: find_it\nAction Input: {",
        "Action: find_it\nAction Input: {}\n",
        "find_it ",
        "find_it: ",
        "or ",
        ": ",
        "`",
    ),
    *(
        "find_it(x=1)\n",
        '{"name": "find_it", "arguments": {}}\n',
        "[TOOL_CALLS]",
        "<|python_tag|>",
        "```json\n{",
        "a.",
        "Observation:",
    ),
    *("find_it(x=1) ", "'", '"', "\\", "<think>", "print(", "- ", "1. "),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_reading_takes_linear_time(unit: str) -> None:
    assert_linear(lambda text: NATIVE.read(Response(text)), lambda size: unit * (size // len(unit)))
