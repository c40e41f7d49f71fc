"""Errors of servers that lack a feature: vectors, tools, constrained decoding."""

from __future__ import annotations

import re

from harness.core.types import Request

_TOO_LONG = re.compile(r"context (?:length|size|window)|too (?:long|large)", re.IGNORECASE)
"""A text that is too long concerns this request only."""
_NO_VECTORS = re.compile(
    r"(?:not|n't) (?:support|allowed)[^.]*embed|embed[^.]*(?:not|n't) (?:support|allowed)|pooling type", re.IGNORECASE
)
_TOOLS = re.compile(r"\btools?\b|tool_c|--jinja", re.IGNORECASE)
_CONSTRAINT = re.compile(
    r"response_format|json_schema|structured|guided|\b(?:grammar|format|schema)\b|additionalProperties", re.IGNORECASE
)


def cannot(request: Request, model: str, status: int, message: str) -> str:
    """The reason if every further request of this kind would fail too; empty if only this call failed."""
    if _TOO_LONG.search(message):
        return ""
    refused = status in (400, 422, 501)
    if request.embed and (_NO_VECTORS.search(message) or (status in (404, 405, 501) and model not in message)):
        return (
            f"gives no vectors for {model!r} ({message}): use an embedding model, and start the server for embeddings"
        )
    if request.tools and (("--jinja" in message and status == 500) or (refused and _TOOLS.search(message))):
        return f"takes no tools for {model!r} ({message}): use a model made for tools, and enable them in the server"
    if request.constraint and refused and _CONSTRAINT.search(message):
        return f"cannot decode under this constraint ({message}): use free decoding, or change labels or schema"
    return ""


def let_through(model: str, text: str) -> str:
    """Message for a reply that the constraint does not allow."""
    return f"replied {text[:60]!r}: it does not constrain the replies of {model!r}, so use free decoding"
