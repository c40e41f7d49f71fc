"""Constrained decoding: what each kind of server is told to let through, and whether it did.

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
"""The only key of the object that holds a choice where a server lets nothing but objects through."""

WRAPPING_TOKENS = 16
"""What `{"answer": ""}`, spread over lines, may take beside the choice in it."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JSON_STARTS = ("{", "[", '"', "-", "true", "false", "null", *"0123456789")


def response_format(constraint: Constraint, *, closed: bool) -> dict[str, Any]:
    """OpenAI's parameter of that name. `closed`: say of objects that say nothing that they take no further keys."""
    schema: JSON = constraint.schema
    if constraint.choices:
        answer = {"type": "string", "enum": list(constraint.choices)}
        schema = {"type": "object", "properties": {ANSWER: answer}, "required": [ANSWER], "additionalProperties": False}
    told = {"name": ANSWER, "strict": True, "schema": _closed(schema) if closed else schema}
    return {"response_format": {"type": "json_schema", "json_schema": told}}


def structured_outputs(constraint: Constraint, *, guided: bool) -> dict[str, Any]:
    """VLLM's: one of the choices bare, or JSON. `guided`: as versions before 0.11 want it."""
    kind, value = ("choice", list(constraint.choices)) if constraint.choices else ("json", constraint.schema)
    return {f"guided_{kind}": value} if guided else {"structured_outputs": {kind: value}}


def json_schema(constraint: Constraint) -> Mapping[str, JSON]:
    """Ollama's `format`; a choice is a JSON string there."""
    return constraint.schema or {"type": "string", "enum": list(constraint.choices)}


def grammar(constraint: Constraint) -> dict[str, Any]:
    """llama.cpp's: a GBNF grammar of the choices, which come bare; a schema goes the way of the protocol."""
    if not constraint.choices:
        return response_format(constraint, closed=False)
    literals = ("".join(_ESCAPES.get(c, c) for c in choice) for choice in constraint.choices)
    return {"grammar": "root ::= " + " | ".join(f'"{literal}"' for literal in literals)}


def for_wrapped(sampling: Sampling, constraint: Constraint | None) -> Sampling:
    """Sampling for a choice that comes as JSON: with room for that, and without stop strings.

    They are meant for the reply as the prompt asks for it, and a line break would cut the JSON.
    """
    if constraint is None or not constraint.choices:
        return sampling
    return replace(sampling, stop=(), max_tokens=sampling.max_tokens + WRAPPING_TOKENS)


def unwrapped(constraint: Constraint, text: str) -> str:
    """The bare choice where a reply is exactly `{"answer": choice}` or a JSON string that is one; else the reply."""
    if not constraint.choices or text.strip() in constraint.choices:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and list(value) == [ANSWER]:
        value = value[ANSWER]
    return value if isinstance(value, str) and value in constraint.choices else text


def kept(constraint: Constraint, text: str, *, bare: bool) -> bool:
    """Whether an unwrapped reply is what the constraint lets through, or the beginning of that: it may be cut off.

    Servers that do not know a parameter ignore it without a word, and what they say then is no constrained reply.
    """
    said = text.strip()
    if not said or any(choice.strip().startswith(said) for choice in constraint.choices):
        return True
    if constraint.choices:
        return not bare and said.startswith(("{", '"'))
    whole = constraint.schema is not None and constraint.schema.get("type") == "object"
    return said.startswith("{" if whole else _JSON_STARTS)


def _closed(schema: JSON) -> JSON:
    """The schema with `additionalProperties: false` wherever an object says nothing of further keys."""
    if isinstance(schema, list | tuple):
        return [_closed(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    parts = {key: _closed(value) for key, value in schema.items()}
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        parts.setdefault("additionalProperties", False)
    return parts
