"""Read calls from a JSON value, in the shapes that models write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from harness.contracts.json.repair import MISSING, loads
from harness.contracts.tools.schema import ToolCall

NAME_KEYS = ("name", "tool", "tool_name", "function", "function_name", "action")
ARGUMENT_KEYS = (
    *("arguments", "parameters", "args", "input", "action_input", "tool_input", "kwargs", "params", "tool_args"),
    *("tool_arguments", "function_args"),
)
WRAPPERS = ("function", "function_call", "tool_call", "tool_calls", "function_calls", "calls")
"""Keys whose value is a call or a list of calls."""
KEYS = (*NAME_KEYS, *WRAPPERS[1:], "type", "id")
"""First keys of an object that is a call."""

_NO_TOOL = frozenset({"", "none", "null", "n/a", "no_tool", "no tool", "no_call", "no action"})


class ToolEchoError(Exception):
    """The value repeats a tool's definition."""


def calls_of(value: Any, known: Collection[str]) -> list[ToolCall] | None:
    """Return the calls of a value; `[]` if it states that no call is needed, `None` if it is something else.

    Raises `ToolEchoError` for a tool's definition.
    """
    if isinstance(value, list):
        parts = [calls_of(item, known) for item in value]
        return None if not parts or None in parts else [call for calls in parts for call in calls or ()]
    if not isinstance(value, Mapping):
        return None
    for key in WRAPPERS:
        inner = value.get(key, MISSING)
        if isinstance(inner, Mapping | list):
            return [] if inner == [] else calls_of(inner, known)
        if inner is None and key != "function":
            return []
    return _call(value, known)


def _call(value: Mapping[str, Any], known: Collection[str]) -> list[ToolCall] | None:
    key = next((key for key in NAME_KEYS if key in value), None)
    if key is None:
        return _keyed(value, known)
    name = value[key]
    holder = next((other for other in ARGUMENT_KEYS if other in value), None)
    if name is None or (isinstance(name, str) and name.strip().lower() in _NO_TOOL):
        return []
    if not isinstance(name, str):
        return None
    if holder is None:
        return _bare(name, {other: inner for other, inner in value.items() if other not in {key, "type", "id"}}, known)
    if _is_schema(value[holder]):
        raise ToolEchoError
    return [ToolCall(name.strip(), _arguments(value[holder]))]


def _bare(name: str, rest: dict[str, Any], known: Collection[str]) -> list[ToolCall] | None:
    """Read a call whose arguments stand beside the name, or are absent."""
    if name not in known:
        return None
    if "description" in rest:
        raise ToolEchoError
    return [ToolCall(name, rest)]


def _keyed(value: Mapping[str, Any], known: Collection[str]) -> list[ToolCall] | None:
    """`{"get_order": {"order_id": "A-1"}}`: the key is the name."""
    if not value or any(key not in known or not isinstance(inner, Mapping) for key, inner in value.items()):
        return None
    if any(map(_is_schema, value.values())):
        raise ToolEchoError
    return [ToolCall(name, dict(arguments)) for name, arguments in value.items()]


def _arguments(value: Any) -> Any:
    """Read arguments from an object or its JSON text; `null` means none."""
    if isinstance(value, str):
        value = loads(value)
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else MISSING


def _is_schema(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("properties"), Mapping) and "type" in value
