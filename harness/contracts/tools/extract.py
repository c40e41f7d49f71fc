"""Find tool calls in a text, in any notation.

Three kinds: a name outside with JSON or XML arguments behind it (`<function=f>{…}`, `Action: f` / `Action Input: {…}`,
`[TOOL_CALLS]f{…}`), JSON that holds the name, and Python's syntax. Tags such as `<tool_call>` only frame one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.contracts.json.extract import PIECES, JsonSpan, fence_before, pieces
from harness.contracts.json.repair import MISSING, DuplicateKeyError, decode_at, loads, with_slips
from harness.contracts.tools.json_shape import KEYS, ToolEchoError, calls_of
from harness.contracts.tools.python_syntax import closing, parse
from harness.contracts.tools.schema import Tool, ToolCall

_LIMIT = 20_000
"""Maximum length of a call that ends with a tag."""
_FAILURES = 20
_LINE = 200

_FUNCTION = re.compile(
    r"<(?:function|invoke)(?:\s{0,4}=\s{0,4}|\s{1,4}name\s{0,4}=\s{0,4})[\"']?([^\s\"'<>=]{1,64})[\"']?>"
)
_FUNCTION_ENDS = re.compile(r"</(?:function|invoke)>")
_PARAMETER = re.compile(
    r"<parameter(?:\s{0,4}=\s{0,4}|\s{1,4}name\s{0,4}=\s{0,4})[\"']?([^\s\"'<>=]{1,64})[\"']?>([^<]*+)</parameter>"
)
_ACTION = re.compile(
    r"^[ \t*_#>-]{0,8}action[*_ ]{0,4}:[*_ \t`\"']{0,6}([^\s`\"'*({]{1,64})[^\n]{0,20}\n\s{0,8}[*_#> ]{0,6}"
    r"action[ _]input[*_ ]{0,4}:[*_ ]{0,4}",
    re.IGNORECASE | re.MULTILINE,
)
_FENCED = re.compile(r"\s*+(?:(?:```|~~~)\w{0,10}\s*+)?")
_FENCE_BEGINS = re.compile(r"(?:```|~~~)\w{0,12}")
_BEFORE = re.compile(
    r"(?:[^\n]*[:：][\s`*]{0,6}|[\s`*>\-\[(,;•·\"']*+(?:\d{1,2}[.)]\s*)?(?:\w{1,30}\s?=\s?)?"
    r"(?:(?:await|return|print)\b[\s(]*)?)(?:(?:functions|tools|default_api)\.)?"
)
_AFTER = re.compile(r"[\s`,;)\]}.*\"']*+(?:(?:#|//|->|</)[^\n]*)?")


@dataclass(frozen=True)
class CallSpan:
    """A span of text with one or more calls. An unreadable span has `calls = None` and a `code`."""

    start: int
    end: int
    calls: Sequence[ToolCall] | None
    code: str = ""
    is_json: bool = False


def spans(text: str, tools: dict[str, Tool]) -> list[CallSpan]:
    """Return every span, in order."""
    whole = text.strip()
    if (fence := _FENCE_BEGINS.match(whole)) and whole.endswith(("```", "~~~")):
        whole = whole[fence.end() : -3].strip()
    calls = None if whole.startswith(("{", "[{")) else parse(whole, tools)
    if calls is not None and all(call.name in tools or call.arguments is not MISSING for call in calls):
        return [CallSpan(0, len(text), calls)]
    outside = [*_tagged(text), *_actions(text), *_named(text, tools)]
    rest = _masked(text, outside)
    inside = list(_json(rest, tools))
    python = list(_python(_masked(rest, inside), tools))
    return sorted([*outside, *inside, *python], key=lambda span: span.start)


def _masked(text: str, taken: Sequence[CallSpan]) -> str:
    """Replace the matched spans with spaces, so that positions stay valid."""
    kept, position = [], 0
    for span in sorted(taken, key=lambda span: span.start):
        if span.start >= position:
            kept += [text[position : span.start], " " * (span.end - span.start)]
            position = span.end
    return "".join([*kept, text[position:]])


def _tagged(text: str) -> Iterator[CallSpan]:
    """`<function=f>{…}</function>`, and with a `<parameter=…>` for each argument."""
    position = 0
    for count, opening in enumerate(_FUNCTION.finditer(text)):
        if count == PIECES:
            return
        if opening.start() < position:
            continue
        ends = _FUNCTION_ENDS.search(text, opening.end(), opening.end() + _LIMIT)
        after = text[opening.end() : ends.start() if ends else opening.end() + _LIMIT].strip()
        position = ends.end() if ends else opening.end()
        if after.startswith("<parameter"):
            written = {match[1]: _typed(match[2]) for match in _PARAMETER.finditer(after)}
            rest = _PARAMETER.sub("", after).strip()
            call = ToolCall(opening[1], written if ends and not rest else MISSING)
        elif not after:
            call = ToolCall(opening[1], {} if ends else MISSING)
        else:
            arguments, _ = _object(text, opening.end())
            call = ToolCall(opening[1], arguments)
        yield CallSpan(opening.start(), position, [call])


def _typed(text: str) -> object:
    """Parse the bare text of an argument tag: as JSON if valid, else as text."""
    value = loads(text.strip())
    return text.strip() if value is MISSING else value


def _actions(text: str) -> Iterator[CallSpan]:
    """`Action: f`, and in the next line `Action Input: {…}`."""
    failures = 0
    for match in _ACTION.finditer(text):
        if match[1].casefold().strip(".[]()") in ("none", "n/a", "null", "no"):
            yield CallSpan(match.start(), match.end(), [])
            continue
        arguments, end = _object(text, match.end())
        failures += arguments is MISSING
        if failures > _FAILURES:
            return
        yield CallSpan(match.start(), max(end, match.end()), [ToolCall(match[1], arguments)])


def _named(text: str, tools: dict[str, Tool]) -> Iterator[CallSpan]:
    """`f{…}`, also with a line break, a colon or a fence between."""
    names = "|".join(re.escape(name) for name in sorted(tools, key=len, reverse=True))
    pattern = re.compile(
        rf"(?<![\w.\"'=/-])({names})(?:\[ARGS\]|[`*]{{0,3}}\s{{0,4}}:?)[`*]{{0,2}}\s{{0,4}}(?:```(?:json)?\s{{0,4}})?(?=\{{)"
    )
    failures, position = 0, 0
    for match in pattern.finditer(text):
        if match.start() < position or _FUNCTION.match(text, match.start() - len("<function=")):
            continue
        arguments, end = _object(text, match.end())
        if arguments is MISSING:
            failures += 1
        if failures > _FAILURES:
            return
        position = max(end, match.end())
        yield CallSpan(match.start(), position, [ToolCall(match[1], arguments)])


def _object(text: str, start: int) -> tuple[object, int]:
    """Return the JSON object at `start`, perhaps inside a fence, and its end."""
    fence = _FENCED.match(text, start)
    opening = fence.end() if fence else start
    if not text.startswith("{", opening):
        return MISSING, start
    try:
        value, end = decode_at(text, opening)
    except DuplicateKeyError:
        return MISSING, start
    except ValueError:
        value, end = with_slips(text, opening)
    return (value if isinstance(value, dict) else MISSING), end


def _json(text: str, tools: dict[str, Tool]) -> Iterator[CallSpan]:
    """Find JSON that contains calls, or was meant to."""
    own = frozenset(name for tool in tools.values() for name in tool.names)
    spans = list(pieces(text, KEYS, arrays=False))
    if len(spans) == PIECES:
        yield CallSpan(0, len(text), None, "multiple_values")
        return
    for piece in spans:
        start = fence_before(text, piece.start)
        if piece.value is MISSING:
            near = text[piece.start : piece.start + _LINE]
            if piece.wanted or any(f'"{name}"' in near for name in (*tools, *own)):
                yield CallSpan(start, piece.end, None, piece.code)
            continue
        try:
            calls = calls_of(piece.value, tools)
        except ToolEchoError:
            yield CallSpan(start, piece.end, None, "prompt_echo")
            continue
        if calls is not None:
            yield CallSpan(start, piece.end, calls, is_json=True)
        elif _alone(text, piece) or (isinstance(piece.value, dict) and not own.isdisjoint(piece.value)):
            yield CallSpan(start, piece.end, None, "no_answer")


def _alone(text: str, piece: JsonSpan) -> bool:
    """Return whether the span is the whole text, apart from a fence."""
    return not text[: fence_before(text, piece.start)].strip() and not text[piece.end :].strip("`~ \t\r\n")


def _python(text: str, tools: dict[str, Tool]) -> Iterator[CallSpan]:
    """Find `f(x=1)` alone on a line or after a colon. Inside a sentence it is no call."""
    names = "|".join(re.escape(name) for name in sorted(tools, key=len, reverse=True))
    failures, last = 0, 0
    for count, match in enumerate(re.finditer(rf"(?<!\w)(?:{names})\(", text)):
        if failures > _FAILURES or count == PIECES:
            return
        if match.start() < last:
            continue
        end = closing(text, match.end() - 1)
        calls = parse(text[match.start() : end], tools) if end > 0 else None
        if calls is None:
            failures += 1
            if end < 0 and _begins(text, match.start(), last):
                yield CallSpan(match.start(), len(text), None, "invalid_json")
            continue
        if _begins(text, match.start(), last) and _ends(text, end, tools):
            yield CallSpan(match.start(), end, calls)
            last = end


def _begins(text: str, start: int, last: int) -> bool:
    line = max(text.rfind("\n", max(0, start - _LINE), start) + 1, last)
    return start - line < _LINE and _BEFORE.fullmatch(text, line, start) is not None


def _ends(text: str, end: int, tools: dict[str, Tool]) -> bool:
    line = text.find("\n", end, end + _LINE)
    rest = text[end : line if line >= 0 else end + _LINE]
    following = rest.lstrip(" ,;)]`.")
    return _AFTER.fullmatch(rest) is not None or any(following.startswith(f"{name}(") for name in tools)
