"""Measure a text in the units that a contract can limit."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]")
_PARAGRAPH = re.compile(r"\n[ \t\r]{0,80}\n")
_LIST_MARK = re.compile(r"\A\s{0,8}(?:[-+*•‣◦–]|\d{1,2}[.)])\s")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]{0,3}\s{1,8}(?=[\"'“‘(\[]{0,3}[^\W_a-z])|(?<=[。！？])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|approx|ca|vs|no|nr|fig|incl|excl|max|min|resp|mr|mrs|ms|dr|st|inc|ltd|corp|co|jr|sr|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|z\.b|bzw|usw|etc|cf|p\.ej|sra?)|\b[a-z])\.\Z",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b[ap]\.m\.\Z", re.IGNORECASE)


def words(text: str) -> int:
    """Count words: pieces between white space with a letter or digit (“4.18.2”, “api-eu-2”, “14%”)."""
    return sum(1 for piece in text.split() if _WORD.search(piece))


def sentences(text: str) -> list[str]:
    """Count sentences per line. No sentence ends at a common abbreviation or before a lower-case letter."""
    parts: list[str] = []
    for line in text.splitlines():
        begin = 0
        for end in _END.finditer(line):
            before = line[max(begin, end.start() - 12) : end.start()]
            if _ABBREVIATED.search(before) and not _CLOCK.search(before):
                continue
            parts.append(line[begin : end.end()])
            begin = end.end()
        parts.append(line[begin:])
    return [sentence.strip() for sentence in parts if _WORD.search(_LIST_MARK.sub("", sentence))]


def paragraphs(text: str) -> int:
    """Count blocks separated by blank lines."""
    return sum(1 for block in _PARAGRAPH.split(text) if _WORD.search(block))
