"""Compile the tools that a model may call; check and repair calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from harness.contracts.json.coerce import Schema, fold_key
from harness.contracts.json.repair import MISSING

_NAME = re.compile(r"[^\s()\[\]{}<>\"'`,:;]{1,64}")
_WHOLE_ONLY: Final = frozenset(
    {"required", "additionalProperties", "unevaluatedProperties", "minProperties", "dependentRequired", "allOf"}
    | {"anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"}
)
"""Schema keywords that apply to several arguments together."""


class ToolCall(NamedTuple):
    """A call as written in the reply. `arguments` is `MISSING` if they cannot be read."""

    name: str
    arguments: Any

    def as_json(self) -> dict[str, Any]:
        """Return the call in the form that readings use."""
        return {"name": self.name, "arguments": self.arguments}


@dataclass(frozen=True)
class Tool:
    """One tool. `names`: its arguments. `required`: its required arguments."""

    name: str
    names: tuple[str, ...]
    required: tuple[str, ...]
    open: bool
    """Whether the tool accepts arguments that its schema does not name."""
    whole: Schema
    single: Schema
    """Schema of each single argument, as an object with that argument only."""

    def problem(self, arguments: Mapping[str, Sequence[Any]]) -> str | None:
        """Return what is wrong with a call. Each argument has several possible values; `None` means absent."""
        unknown = next((name for name in arguments if name not in self.names and not self.open), None)
        if unknown is not None:
            return f"{self.name} has no argument {unknown!r}"
        missing = next((one for one in self.required if one not in arguments or None in arguments[one]), None)
        if missing is not None:
            return f"{self.name} needs the argument {missing!r}"
        values = ({name: value} for name, several in arguments.items() for value in several if value is not None)
        problems = (self.single.problem(value) for value in values)
        return next((f"{self.name}: {problem}" for problem in problems if problem is not None), None)

    def mended(self, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Return the repaired arguments and the violation codes.

        Unknown arguments are kept: to drop one could change the meaning of the call.
        """
        codes: set[str] = set()
        good: dict[str, Any] = {}
        for written, value in arguments.items():
            name = self._meant(written, arguments)
            if name != written:
                codes.add("wrong_case")
            if name not in self.names:
                good[name] = value
                codes |= set() if self.open else {"hallucinated_argument"}
                continue
            fit = self.single.fit({name: value})
            codes |= fit.codes
            if fit.value is MISSING:
                good[name] = value
            elif name in fit.value:  # `null` means absent
                good[name] = fit.value[name]
        if any(name not in good for name in self.required):
            codes.add("missing_argument")
        if not codes and not self.whole.accepts(good):
            codes.add("schema")
        return good, codes

    def _meant(self, written: str, arguments: Mapping[str, Any]) -> str:
        """Return the argument that `written` misspells; `written` itself without a unique match."""
        if written in self.names:
            return written
        near = [name for name in self.names if fold_key(name) == fold_key(written)]
        rivals = [other for other in arguments if fold_key(other) == fold_key(written)]
        return near[0] if len(near) == 1 and len(rivals) == 1 else written


def compiled(tools: Sequence[Mapping[str, Any]]) -> dict[str, Tool]:
    """Compile tools in the shape of the OpenAI protocol, by name; raises `ValueError` for an invalid tool."""
    tool_by_name: dict[str, Tool] = {}
    for number, tool in enumerate(tools, 1):
        compiled_tool = _compiled(tool, f"tool {number}")
        if compiled_tool.name in tool_by_name:
            message = f"tool {number}: the name {compiled_tool.name!r} is already taken"
            raise ValueError(message)
        tool_by_name[compiled_tool.name] = compiled_tool
    return tool_by_name


def _compiled(tool: Any, where: str) -> Tool:
    function = tool.get("function") if isinstance(tool, Mapping) and tool.get("type") == "function" else None
    if not isinstance(function, Mapping):
        message = f'{where}: expected {{"type": "function", "function": {{"name": …, "parameters": …}}}}'
        raise ValueError(message)  # noqa: TRY004 -- one kind of error for bad tools
    name, parameters = function.get("name"), function.get("parameters", {"type": "object"})
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"{where}: the name must be one word of at most 64 characters, not {name!r:.60}"
        raise ValueError(message)
    where = f"{where} ({name})"
    if not isinstance(parameters, Mapping) or parameters.get("type") != "object":
        message = f'{where}: parameters must be a JSON schema that says `"type": "object"`'
        raise ValueError(message)
    try:
        whole = Schema(parameters)
        single = Schema({key: value for key, value in parameters.items() if key not in _WHOLE_ONLY})
    except ValueError as error:
        message = f"{where}: {error}"
        raise ValueError(message) from None
    is_open = parameters.get("additionalProperties", False) is not False or "patternProperties" in parameters
    return Tool(name, whole.keys, tuple(parameters.get("required", ())), is_open, whole, single)
