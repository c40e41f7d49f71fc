"""Tool contract: invalid tools, and replies with calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.contracts.tools.contract import ToolContract
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Response


def tool(name: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": "…", "parameters": parameters}}


TOOLS = (
    tool("get_order", ("order_id",), order_id={"type": "string"}, verbose={"type": "boolean"}),
    tool(
        "refund_order",
        ("order_id", "reason"),
        order_id={"type": "string"},
        reason={"type": "string", "enum": ["late", "damaged"]},
        amount={"type": "number"},
    ),
    tool("search", ("query",), query={"type": "string"}),
)
NATIVE = ToolContract(TOOLS)
TEXT = ToolContract(TOOLS, calls="text")
CALL = {"name": "get_order", "arguments": {"order_id": "A-1"}}
REFUND = {"name": "refund_order", "arguments": {"order_id": "A-1", "reason": "late"}}
JSON = json.dumps(CALL)


def native(*calls: tuple[str, str], finish: str = "tool_calls", text: str = "") -> Response:
    made = tuple(
        {"id": str(i), "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(calls)
    )
    return Response(text, finish, tool_calls=made)


def test_protocol_call_is_strict() -> None:
    reading = NATIVE.read(native(("get_order", '{"order_id": "A-1"}')))
    assert (reading.strict, reading.lenient, reading.violations) == ([CALL], [CALL], ())


def test_calls_keep_their_order_and_ignore_other_text() -> None:
    calls = (("get_order", '{"order_id": "A-1"}'), ("refund_order", '{"order_id": "A-1", "reason": "late"}'))
    assert NATIVE.read(native(*calls, text="I will refund_order it.")).strict == [CALL, REFUND]


def test_text_answer_is_not_a_call() -> None:
    reading = NATIVE.read(Response("Which order do you mean?"))
    assert (reading.strict, reading.compliant) == ([], True)


def test_text_refusal_is_not_a_call() -> None:
    """Reply to a hostile request. The expected answer decides whether it is correct."""
    assert NATIVE.read(Response("I'm sorry, but I cannot help with that.")).strict == []
    refused = NATIVE.read(Response(refusal="I cannot help with that."))
    assert (refused.strict, refused.lenient, refused.violations) == (None, [], ("refusal",))


@pytest.mark.parametrize(
    ("name", "arguments", "lenient", "codes"),
    [
        ("get_order", "{'order_id': 'A-1'}", {"order_id": "A-1"}, ["invalid_json"]),
        ("get_order", '{"order_id": "A-1",}', {"order_id": "A-1"}, ["invalid_json"]),
        ("get_order", '```json\n{"order_id": "A-1"}\n```', {"order_id": "A-1"}, ["invalid_json"]),
        ("get_order", '```JSON {"order_id": "A-1"}```', {"order_id": "A-1"}, ["invalid_json"]),
        ("get_order", '~~~\n{"order_id": "A-1"}\n~~~\n', {"order_id": "A-1"}, ["invalid_json"]),
        ("get_order", '`{"order_id": "A-1"}`', {"order_id": "A-1"}, ["invalid_json"]),
        ("get_order", '```jsonno\n{"order_id": "A-1"}\n```', None, ["invalid_json"]),
        ("get_order", '{"order_id": "A-1"} no', None, ["invalid_json"]),
        ("get_order", json.dumps('{"order_id": "A-1"}'), {"order_id": "A-1"}, ["quoted"]),
        ("get_order", '{"order_id": "A-1"', None, ["invalid_json"]),
        ("get_order", '{"order_id": "A-1", "order_id": "A-2"', None, ["invalid_json"]),
        ("get_order", '["A-1"]', None, ["wrong_type"]),
        ("get_order", "", {}, ["invalid_json", "missing_argument"]),
        ("get_order", "{}", {}, ["missing_argument"]),
        ("get_order", '{"order_id": 17}', {"order_id": "17"}, ["wrong_type"]),
        ("get_order", '{"order_id": "A-1", "verbose": "true"}', {"order_id": "A-1", "verbose": True}, ["wrong_type"]),
        ("get_order", '{"order_id": "A-1", "verbose": null}', {"order_id": "A-1"}, ["wrong_type"]),
        ("get_order", '{"orderId": "A-1"}', {"order_id": "A-1"}, ["wrong_case"]),
        ("get_order", '{"order_id": "A-1", "note": "x"}', {"order_id": "A-1", "note": "x"}, ["hallucinated_argument"]),
        (
            "refund_order",
            '{"order_id": "A-1", "reason": "Late"}',
            {"order_id": "A-1", "reason": "late"},
            ["wrong_case"],
        ),
        ("refund_order", '{"order_id": "A-1", "reason": "sad"}', {"order_id": "A-1", "reason": "sad"}, ["schema"]),
    ],
)
def test_argument_errors_are_repaired_only_without_guessing(
    name: str, arguments: str, lenient: Any, codes: list[str]
) -> None:
    reading = NATIVE.read(native((name, arguments)))
    assert reading.strict is None
    assert reading.lenient == (None if lenient is None else [{"name": name, "arguments": lenient}])
    assert list(reading.violations) == codes


@pytest.mark.parametrize(
    ("written", "meant", "codes"),
    [
        ("GetOrder", "get_order", ("wrong_case",)),
        ("functions.get_order", "get_order", ("wrong_case",)),
        ("track_order", "track_order", ("unknown_tool",)),
    ],
)
def test_unknown_tool_is_kept_as_called(written: str, meant: str, codes: tuple[str, ...]) -> None:
    reading = NATIVE.read(native((written, '{"order_id": "A-1"}')))
    assert reading.lenient == [{**CALL, "name": meant}]
    assert (reading.strict, reading.violations) == (None, codes)


@pytest.mark.parametrize(
    "reply",
    [
        JSON,
        f"```json\n{JSON}\n```",
        f"Let me look that up.\n\n{JSON}\n\nOne moment.",
        '{"tool": "get_order", "args": {"order_id": "A-1"}}',
        '{"name": "get_order", "parameters": {"order_id": "A-1"}}',
        '{"action": "get_order", "action_input": {"order_id": "A-1"}}',
        '{"get_order": {"order_id": "A-1"}}',
        '{"name": "get_order", "order_id": "A-1"}',
        '{"type": "function", "function": {"name": "get_order", "arguments": "{\\"order_id\\": \\"A-1\\"}"}}',
        '{"tool_calls": [{"function": {"name": "get_order", "arguments": {"order_id": "A-1"}}}]}',
        "{'name': 'get_order', 'arguments': {'order_id': 'A-1'}}",
        f"<tool_call>\n{JSON}\n</tool_call>",
        f"[TOOL_CALLS] [{JSON}]",
        '[TOOL_CALLS]get_order{"order_id": "A-1"}',
        '<|python_tag|>{"name": "get_order", "parameters": {"order_id": "A-1"}}',
        '<function=get_order>{"order_id": "A-1"}</function>',
        "<tool_call>\n<function=get_order>\n<parameter=order_id>\nA-1\n</parameter>\n</function>\n</tool_call>",
        '<invoke name="get_order"><parameter name="order_id">A-1</parameter></invoke>',
        'get_order(order_id="A-1")',
        "[get_order(order_id='A-1')]",
        'get_order("A-1")',
        'get_order({"order_id": "A-1"})',
        'print(get_order(order_id="A-1"))',
        '```python\nget_order(order_id="A-1")\n```',
        'I will look it up: `get_order(order_id="A-1")`',
        'order = get_order(order_id="A-1")  # look it up',
        'Thought: look it up\nAction: get_order\nAction Input: {"order_id": "A-1"}',
        'Action: get_order\nAction Input: {"order_id": "A-1"}\nObservation: it is late\nAction: refund_order\nAction Input: {}',
        f"{JSON}\n\nSo the call is:\n{JSON}",
        f"<think>maybe refund_order(order_id='A-2')</think>{JSON}",
    ],
)
def test_text_call_in_any_notation_is_lenient(reply: str) -> None:
    reading = NATIVE.read(Response(reply))
    assert reading.lenient == [CALL]
    assert reading.strict is None
    assert "tool_call_in_text" in reading.violations


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps([CALL, REFUND]),
        f"{JSON}\n{json.dumps(REFUND)}",
        f"<tool_call>{JSON}</tool_call><tool_call>{json.dumps(REFUND)}</tool_call>",
        "[get_order(order_id='A-1'), refund_order(order_id='A-1', reason='late')]",
        "1. get_order(order_id='A-1')\n2. refund_order(order_id='A-1', reason='late')",
        "get_order(order_id='A-1'); refund_order(order_id='A-1', reason='late')",
    ],
)
def test_all_calls_in_a_text_are_read(reply: str) -> None:
    assert NATIVE.read(Response(reply)).lenient == [CALL, REFUND]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("I would call get_order for you.", "tool_named"),
        ("I would call get_order(order_id='A-1') to see.", "tool_named"),
        ("Then get_order(order_id) is called.", "tool_named"),
        (f"For example: {JSON}", "hedged"),
        (f"I could call {JSON}", "hedged"),
        (f"I will not call {JSON}", "hedged"),
        (f"{JSON}\nor\n{json.dumps(REFUND)}", "hedged"),
        ("get_order(order_id=order)", "invalid_json"),
        ("refund_order('A-1', 'late')", "invalid_json"),
        (JSON[:-4], "invalid_json"),
        ('{"order_id": "A-1"}', "no_answer"),
        ('{"answer": "It is late."}', "no_answer"),
        (json.dumps(TOOLS[0]), "prompt_echo"),
        (json.dumps(TOOLS[0]["function"]), "prompt_echo"),
        (f'{JSON} {{"name": null}}', "multiple_values"),
        ("", "empty"),
        (" \n", "empty"),
        ("...", "no_answer"),
        ("<think>get_order(order_id='A-1')", "think_block"),
    ],
)
def test_ambiguous_calls_have_no_answer(reply: str, code: str) -> None:
    reading = NATIVE.read(Response(reply))
    assert (reading.strict, reading.lenient, reading.violations) == (None, None, (code,))


@pytest.mark.parametrize(
    "reply",
    [
        "I will search for it and refund you.",  # `search` is a word like any other
        "Call us at (0113) 496 0025.",
        'Send {"sku": 17} to the API.',
        "Use f(x) = 2x.",
    ],
)
def test_text_that_resembles_a_call_is_text(reply: str) -> None:
    assert NATIVE.read(Response(reply)).strict == []


def test_leaked_markup_in_a_text_answer_is_a_violation() -> None:
    assert NATIVE.read(Response("<think>no tool</think>Hello!")).violations == ("think_block",)
    leaked = NATIVE.read(Response("Hello!<|im_end|>"))
    assert (leaked.strict, leaked.lenient, leaked.violations) == (None, [], ("special_token",))


@pytest.mark.parametrize(
    ("response", "lenient", "codes"),
    [
        (Response("I will look up your", "length"), None, ("truncated",)),
        (Response(JSON[:30], "length"), None, ("truncated",)),
        (Response("get_order(order_id='A", "length"), None, ("truncated",)),
        (Response(f"{JSON}\n\nI have looked up", "length"), [CALL], ("truncated", "tool_call_in_text")),
        (native(("get_order", '{"order_id": "A'), finish="length"), None, ("truncated",)),
        (native(("get_order", '{"order_id": "A-1"}'), finish="length"), [CALL], ()),
    ],
)
def test_truncated_call_has_no_answer(response: Response, lenient: Any, codes: tuple[str, ...]) -> None:
    reading = NATIVE.read(response)
    assert (reading.lenient, reading.violations) == (lenient, codes)


@pytest.mark.parametrize(
    ("reply", "value", "codes"),
    [
        (JSON, [CALL], ()),
        (f"[{JSON}]", [CALL], ()),
        ("[]", [], ()),
        ('{"name": null}', [], ()),
        ('{"name": null, "arguments": {}}', [], ()),
        ("Which order?", [], ("not_json",)),
        ("I'm sorry, but I cannot help with that.", [], ("refusal",)),
        (f"```json\n{JSON}\n```", [CALL], ("code_fence",)),
        (f"```JSON\n{JSON}\n```", [CALL], ("code_fence",)),
        (f"```python\n{JSON}\n```", [CALL], ("code_fence",)),
        ("```json\n[]\n```", [], ("code_fence",)),
        ("```JSON\n[]\n```", [], ("code_fence",)),
        (f"Here it is: {JSON}\nDone.", [CALL], ("preamble", "trailing_text")),
        ("{'name': 'get_order', 'arguments': {'order_id': 'A-1'}}", [CALL], ("invalid_json",)),
        ('{"tool": "get_order", "args": {"order_id": "A-1"}}', [CALL], ("call_format",)),
        (f"<tool_call>{JSON}</tool_call>", [CALL], ("call_format",)),
        ("get_order(order_id='A-1')", [CALL], ("call_format",)),
        ('{"name": "get_order", "arguments": {}}', [{**CALL, "arguments": {}}], ("missing_argument",)),
    ],
)
def test_text_mode_accepts_only_json_calls(reply: str, value: Any, codes: tuple[str, ...]) -> None:
    reading = TEXT.read(Response(reply))
    assert (reading.lenient, reading.violations) == (value, codes)
    assert reading.strict == (None if codes else value)


def test_protocol_calls_in_text_mode_are_lenient() -> None:
    reading = TEXT.read(native(("get_order", '{"order_id": "A-1"}')))
    assert (reading.strict, reading.lenient, reading.violations) == (None, [CALL], ("call_format",))


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([], "no tools"),
        ([{"name": "f"}], "tool 1: expected"),
        ([tool("get order")], "tool 1: the name must be one word"),
        ([tool("f"), tool("f")], "tool 2: the name 'f' is already taken"),
        (
            [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}],
            "tool 1 .f.: parameters must",
        ),
        ([tool("f", x={"type": "strin"})], "tool 1 .f.: The JSON schema is not valid at properties/x/type"),
    ],
)
def test_invalid_tools_are_rejected(tools: list[Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ToolContract(tuple(tools))


def test_tool_without_arguments_is_accepted() -> None:
    contract = ToolContract(({"type": "function", "function": {"name": "ping"}},))
    assert contract.read(native(("ping", "{}"))).strict == [{"name": "ping", "arguments": {}}]


def test_every_code_has_a_description() -> None:
    assert {"unknown_tool", "tool_named", "call_format", "missing_argument"} <= VIOLATIONS.keys()
