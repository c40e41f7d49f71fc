"""Constrained decoding: the parameter for each kind of server, and whether the reply obeys it.

Sources: OpenAI "Structured model outputs" (strict mode: the top level is an object, every object is closed and requires
all of its keys), vLLM "Structured Outputs" (`structured_outputs` since 0.11, `guided_*` until 0.11), Ollama "Structured
outputs" (`format` is a JSON schema), llama.cpp grammars/README.md (GBNF).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.core.types import JSON, Constraint, Sampling

ANSWER = "answer"
"""Key of the object around a choice, for servers that allow objects only."""

WRAPPING_TOKENS = 16
"""Extra tokens for `{"answer": ""}`, on several lines, around the choice."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JSON_STARTS = ("{", "[", '"', "-", "true", "false", "null", *"0123456789")


def response_format(constraint: Constraint, *, closed: bool) -> dict[str, Any]:
    """OpenAI's parameter `response_format`. `closed`: forbid extra keys in objects, unless their schema allows them."""
    schema: JSON = constraint.schema
    if constraint.choices:
        answer = {"type": "string", "enum": list(constraint.choices)}
        schema = {"type": "object", "properties": {ANSWER: answer}, "required": [ANSWER], "additionalProperties": False}
    json_schema_ = {"name": ANSWER, "strict": True, "schema": _closed(schema) if closed else schema}
    return {"response_format": {"type": "json_schema", "json_schema": json_schema_}}


def structured_outputs(constraint: Constraint, *, guided: bool) -> dict[str, Any]:
    """Parameter of vLLM: bare choices, or JSON. `guided`: the form of versions before 0.11."""
    kind, value = ("choice", list(constraint.choices)) if constraint.choices else ("json", constraint.schema)
    return {f"guided_{kind}": value} if guided else {"structured_outputs": {kind: value}}


def json_schema(constraint: Constraint) -> Mapping[str, JSON]:
    """Ollama's `format`, where a choice is a JSON string."""
    return constraint.schema or {"type": "string", "enum": list(constraint.choices)}


def grammar(constraint: Constraint) -> dict[str, Any]:
    """Parameter of llama.cpp: a GBNF grammar for bare choices, `response_format` for a schema."""
    if not constraint.choices:
        return response_format(constraint, closed=False)
    literals = ("".join(_ESCAPES.get(c, c) for c in choice) for choice in constraint.choices)
    return {"grammar": "root ::= " + " | ".join(f'"{literal}"' for literal in literals)}


def for_wrapped(sampling: Sampling, constraint: Constraint | None) -> Sampling:
    """Sampling for a choice inside JSON: more tokens, and no stop strings.

    Stop strings are chosen for a bare reply. A line break as stop string would cut the JSON.
    """
    if constraint is None or not constraint.choices:
        return sampling
    return replace(sampling, stop=(), max_tokens=sampling.max_tokens + WRAPPING_TOKENS)


def unwrapped(constraint: Constraint, text: str) -> str:
    """The bare choice of a reply that is `{"answer": choice}` or a JSON string; other replies as they are."""
    if not constraint.choices or text.strip() in constraint.choices:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and list(value) == [ANSWER]:
        value = value[ANSWER]
    return value if isinstance(value, str) and value in constraint.choices else text


def obeys(constraint: Constraint, text: str, *, bare: bool) -> bool:
    """Whether an unwrapped reply obeys the constraint. A truncated reply may also be the start of an allowed reply.

    Servers silently ignore a parameter that they do not know.
    """
    reply = text.strip()
    if not reply or any(choice.strip().startswith(reply) for choice in constraint.choices):
        return True
    if constraint.choices:
        return not bare and reply.startswith(("{", '"'))
    is_object = constraint.schema is not None and constraint.schema.get("type") == "object"
    return reply.startswith("{" if is_object else _JSON_STARTS)


def _closed(schema: JSON) -> JSON:
    """The schema with `additionalProperties: false` in objects that do not set it."""
    if isinstance(schema, list | tuple):
        return [_closed(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    parts = {key: _closed(value) for key, value in schema.items()}
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        parts.setdefault("additionalProperties", False)
    return parts
