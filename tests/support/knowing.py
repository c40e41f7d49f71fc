"""A fake model that knows the answers to the small project's tickets. No model answers here."""

from __future__ import annotations

from .project import TEXTS
from .servers import Asked, Reply

TRUTH = {text: label for text, label, _ in TEXTS}


def knows(asked: Asked) -> Reply:
    """The right answer: bare to the local prompt, phrased to the GPT one."""
    label = next((label for text, label in TRUTH.items() if text in asked.prompt), "general")
    return Reply(label if asked.prompt.endswith("Category:") else f"The category is: {label}")
