"""The tool contract: read a reply that calls tools, or answers in words if no call is needed.

`strict` is the list of calls that production code can execute unchanged, `[]` without a call. `lenient` is the list
that a careful reader would write down; it is `None` if that reader would have to guess. The contract does not know the
expected calls; the task scores them. Details: docs/tasks.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.contracts._cleanup import clean
from harness.contracts._refusal import is_refusal
from harness.contracts.json.coerce import fold_key
from harness.contracts.json.extract import pieces
from harness.contracts.json.repair import MISSING, loads
from harness.contracts.tools.schema import Tool, ToolCall, compiled
from harness.contracts.tools.text_calls import TextCalls, find
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Reading, Response

Calls = Literal["native", "text"]

_WORD = re.compile(r"[^\W_]")
_MARKER = re.compile(r"<[|｜]/?(?:python_tag|tool[^<>|｜\s]{0,40}|plugin)[|｜]>|\[/?TOOL_CALLS\]")
_FENCE = re.compile(r"(?:```|~~~)(?:json)?", re.IGNORECASE)
_FENCE_OPENS = re.compile(r"\A(?:```|~~~)[ \t]{0,4}+[\w+-]{0,20}+\s*+")
_BEFORE_ARGUMENTS = re.compile(r"\s*+(?:(?:```|~~~)[ \t]{0,4}+(?:json\b)?+\s*+|`)?", re.IGNORECASE)
_AFTER_ARGUMENTS = re.compile(r"\s*+(?:```|~~~|`)?\s*+")
_SPACES = ("functions.", "tools.", "default_api.")
_ORDER = {code: place for place, code in enumerate(VIOLATIONS)}


@dataclass(frozen=True)
class ToolContract:
    """Accepts calls of `tools`, which have the shape of the OpenAI protocol.

    `calls = "native"` reads the protocol's tool calls. `calls = "text"` reads the reply's text as JSON: `{"name",
    "arguments"}` or a list of these; `[]` or `{"name": null}` for no call.
    """

    tools: tuple[Mapping[str, Any], ...] = field(hash=False)
    calls: Calls = "native"
    _tools: dict[str, Tool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Reject invalid tools with `ValueError`, and compile the rest."""
        object.__setattr__(self, "tools", tuple(self.tools))
        if not self.tools:
            message = "no tools: there is nothing to call"
            raise ValueError(message)
        object.__setattr__(self, "_tools", compiled(self.tools))

    @property
    def id(self) -> str:
        """Name and version of the rules. Each change that may alter a reading changes the version."""
        return "tools/2"

    def problem(self, name: str, arguments: Mapping[str, Sequence[Any]]) -> str | None:
        """Return what is wrong with a call, on one line; `None` if it can be executed unchanged.

        Each argument has a list of possible values; `None` stands for an absent argument, an empty list for unknown.
        """
        tool = self._tools.get(name)
        return f"there is no tool {name!r}" if tool is None else tool.problem(arguments)

    def read(self, response: Response) -> Reading:
        """Read one reply, strictly and leniently."""
        if response.tool_calls:
            return self._native(response)
        if response.refusal:
            return Reading(None, [], compliant=False, violations=("refusal",))
        if self.calls == "text" and (calls := self._exact_json_calls(response.text)) is not None:
            return self._reading(TextCalls(calls), set())
        return self._text(response)

    def _native(self, response: Response) -> Reading:
        """Read calls of the protocol; the text beside them is ignored."""
        codes = set() if self.calls == "native" else {"call_format"}
        calls: list[ToolCall] = []
        for call in response.tool_calls:
            function = call.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
                return _reading(None, codes | {"no_answer"})
            arguments, slips = _arguments(function.get("arguments"), self._tools.get(name))
            if arguments is MISSING:
                return _reading(None, codes | ({"truncated"} if response.truncated else slips))
            codes |= slips
            calls.append(ToolCall(name, arguments))
        return self._reading(TextCalls(calls), codes)

    def _exact_json_calls(self, text: str) -> list[ToolCall] | None:
        """Return the calls of a reply in exactly the required JSON; `None` for any other reply."""
        value = loads(text)
        if isinstance(value, dict) and value.get("name", MISSING) is None and value.keys() <= {"name", "arguments"}:
            return [] if not value.get("arguments") else None
        values = value if isinstance(value, list) else [value]
        calls = []
        for item in values:
            if not isinstance(item, dict) or item.keys() != {"name", "arguments"}:
                return None
            if not isinstance(item["name"], str) or not isinstance(item["arguments"], dict):
                return None
            calls.append(ToolCall(item["name"], item["arguments"]))
        return calls

    def _text(self, response: Response) -> Reading:
        """Read a reply without protocol calls: an answer in words, or calls in the text."""
        marked = _MARKER.search(response.text) is not None
        cleaned = clean(_MARKER.sub("\n", response.text) if marked else response.text, keep_letters=True)
        if not cleaned.text.strip():
            codes = {"truncated"} if response.truncated else {"empty" if cleaned.reasoning is None else "think_block"}
            return _reading(None, codes, cleaned.reasoning)
        if not _WORD.search(bare := _FENCE.sub("", cleaned.text)):
            none = self.calls == "text" and loads(bare) == []
            code = "truncated" if response.truncated else "no_answer"
            return _reading([], {"code_fence"}) if none else _reading(None, {code}, cleaned.reasoning)
        text_calls = find(cleaned.text, self._tools, truncated=response.truncated)
        codes = set()
        if text_calls.calls is not None:
            codes |= {"think_block"} if cleaned.reasoning is not None else set()
            codes |= {"special_token"} if cleaned.special_token else set()
            codes |= self._departures(text_calls, cleaned.text)
        return self._reading(text_calls, codes, cleaned.reasoning)

    def _departures(self, text_calls: TextCalls, text: str) -> set[str]:
        """Return the violations of the text around the calls."""
        if self.calls == "native":
            return {"tool_call_in_text"} if text_calls.written else set()
        if not text_calls.written:
            return {"refusal"} if is_refusal(text) else {"not_json"}
        return _around(text_calls)

    def _reading(self, text_calls: TextCalls, codes: set[str], reasoning: str | None = None) -> Reading:
        """Repair each call where only one repair is possible."""
        codes = codes | text_calls.codes
        if text_calls.calls is None:
            return _reading(None, codes, reasoning)
        calls = []
        for call in text_calls.calls:
            name, slips = self._resolved(call.name)
            codes |= slips
            arguments = call.arguments
            if name in self._tools:
                arguments, slips = self._tools[name].mended(arguments)
                codes |= slips
            calls.append({"name": name, "arguments": arguments})
        return _reading(calls, codes, reasoning)

    def _resolved(self, name: str) -> tuple[str, set[str]]:
        """Return the tool that a name means: another spelling, or a prefix that the model added."""
        if name in self._tools:
            return name, set()
        bare = next((name.removeprefix(space) for space in _SPACES if name.startswith(space)), name)
        near = [known for known in self._tools if fold_key(known) == fold_key(bare)]
        return (near[0], {"wrong_case"}) if len(near) == 1 else (name, {"unknown_tool"})


def _reading(calls: list[dict[str, Any]] | None, codes: set[str], reasoning: str | None = None) -> Reading:
    violations = tuple(sorted(codes, key=_ORDER.__getitem__))
    strict = calls if not codes else None
    return Reading(strict, calls, compliant=strict is not None, violations=violations, reasoning=reasoning)


def _arguments(written: Any, tool: Tool | None) -> tuple[Any, set[str]]:
    """Return a protocol call's arguments and the violations of their JSON; `MISSING` if they cannot be read."""
    if isinstance(written, Mapping):
        return dict(written), set()
    if not isinstance(written, str):
        return ({}, {"invalid_json"}) if written is None else (MISSING, {"invalid_json"})
    value = loads(written)
    if isinstance(value, dict):
        return value, set()
    if value is None or not written.strip():
        return {}, {"invalid_json"}
    if isinstance(value, str):
        inner = loads(value)
        return (inner, {"quoted"}) if isinstance(inner, dict) else (MISSING, {"wrong_type"})
    if value is not MISSING:
        return MISSING, {"wrong_type"}
    spans = list(pieces(written, tool.names if tool else (), arrays=False))
    if len(spans) != 1 or not isinstance(spans[0].value, dict):
        return MISSING, {"invalid_json"}
    before = _BEFORE_ARGUMENTS.fullmatch(written, 0, spans[0].start)
    after = _AFTER_ARGUMENTS.fullmatch(written, spans[0].end)
    return (spans[0].value if before and after else MISSING), {"invalid_json"}


def _around(text_calls: TextCalls) -> set[str]:
    """Return the violations around the required JSON, and within it."""
    text, written = text_calls.text, text_calls.written
    first, last = written[0], written[-1]
    codes = set()
    if text_calls.tagged or not all(span.is_json for span in written):
        codes.add("call_format")
    elif any(loads(_FENCE_OPENS.sub("", text[span.start : span.end])) is MISSING for span in written):
        codes.add("invalid_json")
    if "```" in text[first.start : last.end] or text[last.end :].lstrip().startswith("```"):
        codes.add("code_fence")
    if _WORD.search(text, 0, first.start):
        codes.add("preamble")
    if _WORD.search(text, last.end):
        codes.add("trailing_text")
    return codes or {"call_format"}


def as_schema(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema of replies under `calls = "text"`, for constrained decoding."""
    own: list[dict[str, Any]] = [json.loads(json.dumps(tool["function"], default=dict)) for tool in tools]
    call_schemas = [
        {
            "type": "object",
            "properties": {
                "name": {"const": function["name"]},
                "arguments": {"additionalProperties": False, **function.get("parameters", {"type": "object"})},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for function in own
    ]
    return {"type": "array", "items": {"anyOf": call_schemas}}


CONTRACT = ToolContract
