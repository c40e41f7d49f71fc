"""Escape text for Markdown."""

from __future__ import annotations

from harness.core.formatting import visible

SAFE = " .,;:()%–’→−+="
"""Punctuation in the harness's own sentences that has no meaning in Markdown inside a line."""


def inert(text: str, plain: str = " ") -> str:
    """Escape a text, so that Markdown shows it literally. `plain`: characters that are not escaped.

    Everything except letters, digits and `plain` becomes an entity, which is never structure (CommonMark 0.31, 2.5).
    """
    return "".join(c if c.isalnum() or c in plain else f"&#{ord(c)};" for c in visible(" ".join(text.split())))
