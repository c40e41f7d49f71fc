"""Find the spans of JSON in a reply, and parse each."""

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
"""Give up after this many places that look like JSON and are not."""
PIECES = 1_000
"""Give up after this many valid spans."""

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
    """A span of the reply that is, or was meant to be, JSON. `value` is `MISSING` if it cannot be parsed."""

    start: int
    end: int
    value: Any
    fenced: bool = False
    wanted: bool = False
    """Whether the span begins with a key of the schema."""
    code: str = ""
    """Violation code of a span without a value."""


def pieces(text: str, keys: Sequence[str], *, arrays: bool) -> Iterator[JsonSpan]:
    """Return every span, in order. `keys`: those of the schema. `arrays`: whether the schema accepts an array."""
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
    """Return the next position that looks like the start of JSON."""
    for opening in _OPENS.finditer(text, position):
        pattern = _LIKE_OBJECT if opening[0] == "{" else _LIKE_ARRAY if arrays else _LIKE_RECORDS
        if pattern.match(text, opening.start()):
            return opening.start()
    return -1


def _after_failure(text: str, start: int) -> int:
    """Return where to continue. The inside of a broken object is no answer, so continue at the next code fence."""
    if _LIKE_CODE.match(text, start):
        return start + 1
    fence = _FENCE_BEGINS.search(text, start)
    return fence.end() if fence else len(text)


def fence_before(text: str, start: int) -> int:
    """Return the start of the code fence before `start`, or `start` without a fence."""
    fence = _FENCE_OPENS.search(text, max(0, start - _BEFORE_FENCE), start)
    return fence.start() if fence else start


def anchor_pattern(keys: Sequence[str]) -> re.Pattern[str] | None:
    """Match a key of the schema at the start of a member."""
    if not keys:
        return None
    return re.compile(rf'"({"|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))})"\s*+:\s*+')


def complete_members(text: str, start: int) -> Any:
    """Return the complete members of a truncated object; `MISSING` if the object is not truncated."""
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
            return members  # the number itself may be truncated
        members[key] = value
        if text[position : position + 1] not in (",", ""):
            return MISSING
        position = _skip(text, position + 1)
    return members


def _cut_off(text: str, position: int) -> bool:
    """Return whether the JSON at `position` has no end: an open string or bracket, or no content."""
    if text.rstrip("`~ \n").endswith(("}", "]")):
        return False  # the object is complete; the error is elsewhere
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
        return None  # a bracket closes too early
    return JsonSpan(start, end, value, fenced)


def _broken(text: str, first: re.Match[str], anchors: re.Pattern[str], start: int, *, fenced: bool) -> JsonSpan | None:
    """Read an object whose strings contain unescaped quotation marks.

    Every key must be in the schema and occur once, at the start of a member. Then only one split into members is
    possible.
    """
    for limit in _limits(text, start, fenced=fenced):
        parsed = _members(text, first, anchors, limit)
        if parsed is not None:
            members, end = parsed
            return JsonSpan(start, end, members, fenced)
    return None


def _limits(text: str, start: int, *, fenced: bool) -> Iterator[int]:
    """Return the last possible end of the object: the end of its fence, of the last fence, or of the reply."""
    if fenced:
        closing = [mark.start() for mark in _FENCE_CLOSES.finditer(text, start)]
        yield from dict.fromkeys(closing[:1] + closing[-1:])
        if closing:
            return
    yield len(text)


def _members(
    text: str, first: re.Match[str], anchors: re.Pattern[str], limit: int
) -> tuple[dict[str, Any], int] | None:
    anchor_by_key: dict[str, re.Match[str]] = {}
    for anchor in anchors.finditer(text, first.start(), limit):
        if anchor[1] in anchor_by_key or text[anchor.start() - 1] == "\\":
            return None
        anchor_by_key[anchor[1]] = anchor
    marks = list(anchor_by_key.values())
    members: dict[str, Any] = {}
    for mark, following in pairwise(marks):
        members[mark[1]] = _value(*_before_comma(text[mark.end() : following.start()]))
    members[marks[-1][1]], end = _last(text, marks[-1].end(), limit)
    return None if any(value is MISSING for value in members.values()) else (members, end)


def _before_comma(text: str) -> tuple[str, bool]:
    """Return the text of a value without the comma after it, and whether its line ends there."""
    bare = text.rstrip()
    line_ends = "\n" in text[len(bare) :]
    if bare.endswith(","):
        return bare[:-1].rstrip(), line_ends
    return (bare if line_ends else ""), line_ends


def _last(text: str, start: int, limit: int) -> tuple[Any, int]:
    """Return the value of the last member and the end of the object."""
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
    """Parse one member's text. A string may lack its closing mark at the end of a line."""
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
    """Read a string with unescaped quotation marks.

    If one of the marks could be the end of the string, the marks must come in pairs and open before they close. That is
    the case before a comma and another string, and in the last member.
    """
    if len(text) < 2 or not text.endswith('"'):
        return MISSING
    inner = text[1:-1]
    if (len(inner) - len(inner.rstrip("\\"))) % 2:
        return MISSING  # the apparent end is an inner mark, and the rest may be truncated
    if _another_member(inner) or (last and _ENDS_OBJECT.search(inner)):
        return MISSING
    if (last or _COULD_CLOSE.search(inner)) and not _paired(inner):
        return MISSING
    mended = mend_string(inner)
    return MISSING if mended is None else mended


def _another_member(inner: str) -> bool:
    """Return whether the string seems to contain a member that is not in the schema (nested braces excluded)."""
    position, depth = 0, 0
    for match in _ANOTHER_MEMBER.finditer(inner):
        depth += inner.count("{", position, match.start()) - inner.count("}", position, match.start())
        position = match.start()
        if depth <= 0:
            return True
    return False


def _paired(inner: str) -> bool:
    quotes = [mark.start() for mark in _QUOTE.finditer(inner) if mark[0] == '"']
    return not quotes or (len(quotes) % 2 == 0 and not _CLOSES.match(inner, max(0, quotes[0] - 1)))
