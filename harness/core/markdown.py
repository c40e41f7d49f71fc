"""Markdown escaping: any text becomes inert inside a line of Markdown."""

from __future__ import annotations

from harness.core.formatting import visible

OURS = " .,;:()%–’→−+="
"""Punctuation of our own sentences that Markdown leaves alone inside a line."""


def inert(text: str, plain: str = " ") -> str:
    """Any text so that Markdown shows it and does nothing else with it.

    An entity is never structure (CommonMark 0.31, section 2.5), so all but letters, digits and `plain` becomes one.
    """
    return "".join(c if c.isalnum() or c in plain else f"&#{ord(c)};" for c in visible(" ".join(text.split())))
