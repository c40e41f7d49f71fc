"""Where a server cannot do what a request wants (vectors, tools, constrained decoding), whatever the text is."""

from __future__ import annotations

import re

from harness.core.types import Request

_TOO_LONG = re.compile(r"context (?:length|size|window)|too (?:long|large)", re.IGNORECASE)
"""A text that does not fit is a matter of that text."""
_NO_VECTORS = re.compile(
    r"(?:not|n't) (?:support|allowed)[^.]*embed|embed[^.]*(?:not|n't) (?:support|allowed)|pooling type", re.IGNORECASE
)
_TOOLS = re.compile(r"\btools?\b|tool_c|--jinja", re.IGNORECASE)
_CONSTRAINT = re.compile(
    r"response_format|json_schema|structured|guided|\b(?:grammar|format|schema)\b|additionalProperties", re.IGNORECASE
)


def cannot(request: Request, model: str, status: int, said: str) -> str:
    """What every further request of this kind would get too, in words; empty where this call alone has failed."""
    if _TOO_LONG.search(said):
        return ""
    refused = status in (400, 422, 501)
    if request.embed and (_NO_VECTORS.search(said) or (status in (404, 405, 501) and model not in said)):
        return f"gives no vectors for {model!r} ({said}): it takes an embedding model, and a server started for it"
    if request.tools and (("--jinja" in said and status == 500) or (refused and _TOOLS.search(said))):
        return f"takes no tools for {model!r} ({said}): it takes a model made for them, and a server that has them on"
    if request.constraint and refused and _CONSTRAINT.search(said):
        return f"cannot decode under this constraint ({said}): run the cell free, or change labels or schema"
    return ""


def let_through(model: str, text: str) -> str:
    """What to say of a reply that no constraint can have let through."""
    return f"let {text[:60]!r} through: it does not constrain what {model!r} says, so run the cell free"
