"""Calls in Python's syntax: `get_order(order_id="A-1")`, and lists of them. Literals only; nothing is run."""

from __future__ import annotations

import ast
import math
import re
import warnings
from typing import Any, Final

from harness.contracts.json.repair import MISSING
from harness.contracts.tools.schema import Tool, ToolCall

_LIMIT = 10_000
"""Longer texts are not read as calls."""
_DEPTH = 50
_TOKEN = re.compile(r"\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'|[()\[\]{}]|[\"']", re.DOTALL)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


def closing(text: str, opening: int) -> int:
    """Return the position after the bracket that closes `opening`; -1 if it is not closed."""
    depth = 0
    for token in _TOKEN.finditer(text, opening, opening + _LIMIT):
        mark = token[0]
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
            if depth == 0:
                return token.end()
        elif len(mark) == 1:
            return -1  # an unclosed quotation mark
        if depth > _DEPTH:
            return -1
    return -1


def parse(source: str, known: dict[str, Tool]) -> list[ToolCall] | None:
    """Return the calls of an expression; `None` if it is something else.

    The arguments are `MISSING` if an argument is not a literal, or its name is ambiguous.
    """
    if len(source) > _LIMIT or not source.endswith((")", "]")):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape in a reply must not cause a Python warning
            node = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    calls = [_call(item, known) for item in nodes if isinstance(item, ast.Call)]
    valid = [call for call in calls if call is not None]
    return valid if valid and len(valid) == len(nodes) else None


def _call(node: ast.Call, known: dict[str, Tool]) -> ToolCall | None:
    name = _dotted(node.func)
    return None if name is None else ToolCall(name, _arguments(node, known.get(name)))


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _arguments(node: ast.Call, tool: Tool | None) -> Any:
    arguments: dict[str, Any] = {}
    if node.args:
        placed = _placed(node, tool)
        if placed is None:
            return MISSING
        arguments.update(placed)
    for keyword in node.keywords:
        value = _literal(keyword.value)
        if keyword.arg is None or keyword.arg in arguments or value is MISSING:
            return MISSING
        arguments[keyword.arg] = value
    return arguments


def _placed(node: ast.Call, tool: Tool | None) -> dict[str, Any] | None:
    """Read one positional argument if only one name is possible; or an object of all arguments."""
    value = _literal(node.args[0]) if len(node.args) == 1 and not node.keywords else MISSING
    if value is MISSING:
        return None
    if isinstance(value, dict) and (tool is None or value.keys() <= set(tool.names)):
        return value
    if tool is None:
        return None
    names = tool.required if len(tool.required) == 1 else tool.names
    return {names[0]: value} if len(names) == 1 else None


def _literal(node: ast.expr) -> Any:
    """Return the JSON value of a literal; `MISSING` for other expressions."""
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, float) and not math.isfinite(value):
            return MISSING
        return value if value is None or isinstance(value, str | int | float) else MISSING
    if isinstance(node, ast.Name):
        return _CONSTANTS.get(node.id, MISSING)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        return -value if isinstance(value, int | float) and not isinstance(value, bool) else MISSING
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item) for item in node.elts]
        return MISSING if any(item is MISSING for item in items) else items
    if isinstance(node, ast.Dict):
        return _object(node)
    return MISSING


def _object(node: ast.Dict) -> Any:
    members: dict[str, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        name = MISSING if key is None else _literal(key)
        value = _literal(item)
        if not isinstance(name, str) or name in members or value is MISSING:
            return MISSING
        members[name] = value
    return members
