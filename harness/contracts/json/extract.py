"""Where the JSON of a reply is, and what each piece of it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from harness.contracts.json.repair import MISSING, DuplicateKeyError, decode_at, mend_string, with_slips

_OPENS = re.compile(r"[{\[]")
_LIKE_OBJECT = re.compile(r"""\{\s*+(?:["'“”‘}]|/[/*]|\#|[A-Za-z_]\w*+\s*+:)""")
_LIKE_ARRAY = re.compile(r"""\[\s*+[{\["'“‘\d\]tfnTFN-]""")
_LIKE_RECORDS = re.compile(r"\[\s*+\{")
_LIKE_CODE = re.compile(r"\{\s*+(?:\}|[A-Za-z_])")
_FENCE_BEGINS = re.compile(r"(?:```|~~~)[ \t]{0,4}+[\w+-]{0,20}+\s*+(?=[{\[])")
_FENCE_OPENS = re.compile(r"(?:```|~~~)[ \t]*[\w+-]{0,20}\s*\Z")
_FENCE_CLOSES = re.compile(r"(?:\n|(?<=[}\]]))[ \t]{0,8}(?:```|~~~)")
_BEFORE_FENCE = 60
_FAILURES = 20
"""Places that looked like JSON and were not. More of them, and the reply is no reply but noise."""
PIECES = 1_000
"""The same for those that were."""

_MORE_MEMBERS = re.compile(r'\.?\d|\s*+,?\s*+"[^"\n]{0,60}"\s*+:')
_LAST_VALUE_ENDS = re.compile(r"\s*+,?\s*+\}")
_LAST_TEXT_ENDS = re.compile(r"\s*+[,.;:]?\s*+\}")
_GOES_ON = re.compile(r"""\s*+["',:\]}]""")
_MEMBER_ENDS = re.compile(r"\s*+(?:,|\n)\s*+")
_SPACE = re.compile(r"\s*+")
_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_CLOSES = re.compile(r'[\w.)\]}!?%]"')
_COULD_CLOSE = re.compile(r'"\s*+,\s*+"')
_ANOTHER_MEMBER = re.compile(r'(?:"\s*+,|\n)\s*+\w{0,20}"?[^"\n]{0,60}"\s*+:')
_ENDS_OBJECT = re.compile(r'"\s*\n\s*[}\]]|\}\s*\n```')


@dataclass(frozen=True)
class JsonSpan:
    """A stretch of the reply that is JSON, or was meant to be. `value` is `MISSING` where it cannot be told."""

    start: int
    end: int
    value: Any
    fenced: bool = False
    wanted: bool = False
    """It begins with a key of the wanted object."""
    code: str = ""
    """Why there is no value."""


def pieces(text: str, keys: Sequence[str], *, arrays: bool) -> Iterator[JsonSpan]:
    """Every piece, in order. `keys` are those of the wanted object; `arrays` tells whether an array will do."""
    position, failures = 0, 0
    anchors = anchor_pattern(keys)
    for _ in range(PIECES):
        opening = _next(text, position, arrays=arrays)
        if opening < 0 or failures == _FAILURES:
            return
        fenced = fence_before(text, opening) < opening
        wanted = anchors.match(text, _skip(text, opening + 1)) if anchors and text[opening] == "{" else None
        piece = _well_formed(text, opening, fenced=fenced)
        if piece is None and anchors and wanted:
            piece = _broken(text, wanted, anchors, opening, fenced=fenced)
        if piece is None:
            piece = JsonSpan(opening, len(text), MISSING, fenced, code="invalid_json")
        if piece.value is MISSING:
            failures += 1
            position = _after_failure(text, opening)
        else:
            position = piece.end
        yield replace(piece, wanted=wanted is not None)


def _next(text: str, position: int, *, arrays: bool) -> int:
    """Where something that looks like JSON begins."""
    for opening in _OPENS.finditer(text, position):
        pattern = _LIKE_OBJECT if opening[0] == "{" else _LIKE_ARRAY if arrays else _LIKE_RECORDS
        if pattern.match(text, opening.start()):
            return opening.start()
    return -1


def _after_failure(text: str, start: int) -> int:
    """Where to look on. What is inside a broken object is not an answer, so only a fence begins anew."""
    if _LIKE_CODE.match(text, start):
        return start + 1
    fence = _FENCE_BEGINS.search(text, start)
    return fence.end() if fence else len(text)


def fence_before(text: str, start: int) -> int:
    """Where the code fence begins that `start` follows; `start` where there is none."""
    fence = _FENCE_OPENS.search(text, max(0, start - _BEFORE_FENCE), start)
    return fence.start() if fence else start


def anchor_pattern(keys: Sequence[str]) -> re.Pattern[str] | None:
    """Finds a key of the wanted object where a member begins."""
    if not keys:
        return None
    return re.compile(rf'"({"|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))})"\s*+:\s*+')


def complete_members(text: str, start: int) -> Any:
    """The members of an object that was cut off, without the one it was cut off in; `MISSING` where it was not cut."""
    members: dict[str, Any] = {}
    position = _skip(text, start + 1)
    while position < len(text):
        try:
            key, position = decode_at(text, position)
            position = _skip(text, position)
            if not isinstance(key, str) or text[position : position + 1] not in (":", "") or key in members:
                return MISSING
            value, position = decode_at(text, _skip(text, position + 1))
        except DuplicateKeyError:
            return MISSING
        except ValueError:
            return members if _cut_off(text, position) else MISSING
        position = _skip(text, position)
        if position == len(text) and isinstance(value, int | float) and not isinstance(value, bool):
            return members  # another digit may have been to come
        members[key] = value
        if text[position : position + 1] not in (",", ""):
            return MISSING
        position = _skip(text, position + 1)
    return members


def _cut_off(text: str, position: int) -> bool:
    """Whether what begins at `position` has no end: an open string or bracket, or nothing at all."""
    if text.rstrip("`~ \n").endswith(("}", "]")):
        return False  # it was ended, and is broken somewhere else
    depth, inside = 0, False
    for mark in _MARKS.finditer(text, position):
        if mark[0] == '"':
            inside = not inside
        elif not inside and len(mark[0]) == 1:
            depth += 1 if mark[0] in "{[" else -1
            if depth < 0:
                return False
    return inside or depth > 0 or _WORDS_END.search(text, max(position, len(text) - 20)) is not None


_MARKS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_WORDS_END = re.compile(r"(?:[:,{]|tr?u?e?|fa?l?s?e?|nu?l?l?|-?\d*\.?\d*)\s*\Z")


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _well_formed(text: str, start: int, *, fenced: bool) -> JsonSpan | None:
    try:
        value, end = decode_at(text, start)
    except DuplicateKeyError:
        return JsonSpan(start, len(text), MISSING, fenced, code="multiple_values")
    except ValueError:
        value, end = with_slips(text, start)
        if value is MISSING:
            return None
    if _MORE_MEMBERS.match(text, end):
        return None  # it closed too early
    return JsonSpan(start, end, value, fenced)


def _broken(text: str, first: re.Match[str], anchors: re.Pattern[str], start: int, *, fenced: bool) -> JsonSpan | None:
    """An object with quotation marks in its strings that it did not escape.

    It is told by its keys: each is the schema's, and stands once where a member begins. So there is one way only to
    cut it into members.
    """
    for limit in _limits(text, start, fenced=fenced):
        found = _members(text, first, anchors, limit)
        if found is not None:
            members, end = found
            return JsonSpan(start, end, members, fenced)
    return None


def _limits(text: str, start: int, *, fenced: bool) -> Iterator[int]:
    """Where the object may end at the latest: the fence's end, the last fence's end, the end of the reply."""
    if fenced:
        closing = [mark.start() for mark in _FENCE_CLOSES.finditer(text, start)]
        yield from dict.fromkeys(closing[:1] + closing[-1:])
        if closing:
            return
    yield len(text)


def _members(
    text: str, first: re.Match[str], anchors: re.Pattern[str], limit: int
) -> tuple[dict[str, Any], int] | None:
    found: dict[str, re.Match[str]] = {}
    for anchor in anchors.finditer(text, first.start(), limit):
        if anchor[1] in found or text[anchor.start() - 1] == "\\":
            return None
        found[anchor[1]] = anchor
    marks = list(found.values())
    members: dict[str, Any] = {}
    for mark, following in pairwise(marks):
        members[mark[1]] = _value(*_before_comma(text[mark.end() : following.start()]))
    members[marks[-1][1]], end = _last(text, marks[-1].end(), limit)
    return None if any(value is MISSING for value in members.values()) else (members, end)


def _before_comma(text: str) -> tuple[str, bool]:
    """The text of a value without the comma behind it, and whether its line ends there, too."""
    bare = text.rstrip()
    line_ends = "\n" in text[len(bare) :]
    if bare.endswith(","):
        return bare[:-1].rstrip(), line_ends
    return (bare if line_ends else ""), line_ends


def _last(text: str, start: int, limit: int) -> tuple[Any, int]:
    """The last member's value and where the object ends."""
    try:
        value, end = decode_at(text, start)
    except ValueError:
        pass
    else:
        closing = (_LAST_TEXT_ENDS if isinstance(value, str) else _LAST_VALUE_ENDS).match(text, end)
        if closing and not _GOES_ON.match(text, closing.end()):
            return value, closing.end()
    brace = text.rfind("}", start, limit)
    if brace < 0:
        return MISSING, start
    return _value(text[start:brace].rstrip().removesuffix(",").rstrip()), brace + 1


def _value(text: str, line_ends: bool = False) -> Any:  # noqa: FBT001, FBT002 -- both come from _before_comma
    """What one member's text says. Where its line ends, too, a string need not have been closed."""
    try:
        value, end = decode_at(text, 0)
    except DuplicateKeyError:
        return MISSING
    except ValueError:
        end = -1
    if end == len(text):
        return value
    if text.startswith('"'):
        return _unescaped(text if text.endswith('"') or not line_ends else f'{text}"', last=not line_ends)
    value, end = with_slips(f"[{text}]", 0)
    whole = isinstance(value, list) and len(value) == 1 and end == len(text) + 2
    return value[0] if whole else MISSING


def _unescaped(text: str, *, last: bool) -> Any:
    """A string that did not escape the quotation marks in it.

    They must come in pairs and open before they close where one of them could be the end of the string: before a comma
    and another string, or in the last member, which nothing but a brace follows.
    """
    if len(text) < 2 or not text.endswith('"'):
        return MISSING
    inner = text[1:-1]
    if (len(inner) - len(inner.rstrip("\\"))) % 2:
        return MISSING  # what looks like its end is a quotation mark in it, and the rest may have been cut off
    if _another_member(inner) or (last and _ENDS_OBJECT.search(inner)):
        return MISSING
    if (last or _COULD_CLOSE.search(inner)) and not _paired(inner):
        return MISSING
    mended = mend_string(inner)
    return MISSING if mended is None else mended


def _another_member(inner: str) -> bool:
    """Whether it looks as if a member that the schema does not know was swallowed; not so inside braces of its own."""
    position, depth = 0, 0
    for found in _ANOTHER_MEMBER.finditer(inner):
        depth += inner.count("{", position, found.start()) - inner.count("}", position, found.start())
        position = found.start()
        if depth <= 0:
            return True
    return False


def _paired(inner: str) -> bool:
    quotes = [mark.start() for mark in _QUOTE.finditer(inner) if mark[0] == '"']
    return not quotes or (len(quotes) % 2 == 0 and not _CLOSES.match(inner, max(0, quotes[0] - 1)))
