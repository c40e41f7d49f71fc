"""Detect and remove markdown. Every pattern is bounded and possessive, so time is linear in the text."""

from __future__ import annotations

import re

_BULLET = re.compile(r"^[ \t]{0,8}(?:[-+*•‣◦–]|\d{1,2}[.)])[ \t]{1,8}(?=\S)", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]{0,8}\d{1,2}[.)][ \t]{1,8}(?=\S)", re.MULTILINE)
_DASHED = re.compile(r"^[ \t]{0,8}[-+*•‣◦–][ \t]{1,8}(?=\S)", re.MULTILINE)

_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^[ \t]{0,3}(?:```|~~~)[\w+-]{0,20}[ \t]{0,8}$\n?", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,3}(?:-{3,60}+|\*{3,60}+|_{3,60}+|={3,60}+)[ \t]{0,8}$\n?", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]{1,8}(?=\S)", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,3}>[ \t]{0,8}(?=\S)", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\[\]\n]{1,200}+)\]\([^()\s]{1,300}+\)"), r"\1"),
    (re.compile(r"\*\*(?=\S)([^*\n]{1,500}+)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]{1,300}+)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!`)`([^`\n]{1,200}+)`(?!`)"), r"\1"),
    (re.compile(r"</?(?:b|i|em|strong|code|p|ul|ol|li|h[1-6])>|<br ?/?>", re.IGNORECASE), ""),
)
"""Fences, rules, headings, quotations, links, bold, italic, code, tags; and their replacements."""


def bullets(text: str) -> int:
    """Count list items. A single numbered line is no list: it may begin with a date (“12. Mai”)."""
    numbered = len(_NUMBERED.findall(text))
    return len(_DASHED.findall(text)) + (numbered if numbered > 1 else 0)


def without_markup(text: str) -> str:
    """Remove markdown, but keep list items."""
    for pattern, left in _MARKUP:
        text = pattern.sub(left, text)
    return text.strip()


def without_bullets(text: str) -> str:
    """Remove the marks of list items."""
    pattern = _BULLET if len(_NUMBERED.findall(text)) > 1 else _DASHED
    return pattern.sub("", text).strip()
