"""Read the calls of a text as a careful reader would; ambiguous if the text only talks about calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.contracts.json.repair import MISSING, canonical
from harness.contracts.tools.extract import CallSpan, spans
from harness.contracts.tools.schema import Tool, ToolCall

_WORD = re.compile(r"[^\W_]")
_TAG = re.compile(r"</?(?:tool_calls?|function_calls?|tools?|tool_code|functioncall)>", re.IGNORECASE)
_RESULT = re.compile(
    r"^[ \t*_#>-]{0,6}(?:observation|(?:tool|function)[ _](?:result|response|output)s?)[*_ ]{0,4}:"
    r"|<(?:tool_response|tool_result|function_results?|tool_output)>|\[TOOL_RESULTS\]",
    re.IGNORECASE | re.MULTILINE,
)
_HEDGE = re.compile(
    r"\b(?:(?:could|might)(?: \w+){0,2} (?:call|use|invoke|run|be|look)|(?:for|an) (?:example|instance)|e\.g\."
    r"|(?:do not|don't|not|never|without|instead of|avoid|before) (?:call|us|invok|run|execut)\w*"
    r"|(?:in|use) (?:the|this|that|a) (?:\w+ )?format|if (?:you|they)|unless)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?]\s|\n\s*\n")
_OR = re.compile(r"\b(?:or|alternatively|otherwise|option)\b", re.IGNORECASE)
_NEAR = 120


@dataclass(frozen=True)
class TextCalls:
    """The calls of a text: `[]` for none, `None` if ambiguous; and their notation."""

    calls: Sequence[ToolCall] | None
    codes: frozenset[str] = frozenset()
    written: Sequence[CallSpan] = field(default=())
    """Span of the calls. Empty if the text answers in words."""
    text: str = ""
    """The text that the span refers to."""
    tagged: bool = False
    """Whether tags of a tool-call notation enclose the calls."""


def find(text: str, tools: dict[str, Tool], *, truncated: bool) -> TextCalls:
    """Read a text without reasoning and control tokens."""
    made_up = _RESULT.search(text)
    if made_up and _WORD.search(text, 0, made_up.start()):
        text, truncated = text[: made_up.start()], False  # the model invented the text after this point: a tool result
    text, tags = _TAG.subn(lambda tag: " " * len(tag[0]), text)
    written = spans(text, tools)
    good = [span for span in written if span.calls is not None]
    bad = [span for span in written if span.calls is None and not (good and span.code in ("no_answer", "prompt_echo"))]
    if bad:
        broken = [span.code for span in bad if span.code != "prompt_echo"]
        cut = truncated and bad[-1].code != "no_answer"
        return TextCalls(None, frozenset({"truncated" if cut else broken[-1] if broken else "prompt_echo"}))
    if not good:
        return _words(text, tools, truncated=truncated)
    calls = [call for span in good for call in span.calls or ()]
    if any(call.arguments is MISSING for call in calls):
        return TextCalls(None, frozenset({"truncated" if truncated else "invalid_json"}))
    if any(map(_denied, good)) and calls:
        return TextCalls(None, frozenset({"multiple_values"}))
    if _hedged(text, good):
        return TextCalls(None, frozenset({"hedged"}))
    codes = frozenset({"truncated"} if truncated else ())
    return TextCalls(calls if tags else _once(text, good), codes, good, text, tags > 0)


def _denied(span: CallSpan) -> bool:
    return span.calls is not None and not span.calls


def _words(text: str, tools: dict[str, Tool], *, truncated: bool) -> TextCalls:
    """A text without a call answers in words, unless it is truncated or names a tool."""
    if truncated:
        return TextCalls(None, frozenset({"truncated"}))
    if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in tools if _technical(name)):
        return TextCalls(None, frozenset({"tool_named"}))
    return TextCalls([])


def _technical(name: str) -> bool:
    """Return whether a name cannot be an ordinary word of a sentence."""
    return not name.isalpha() or not (name.islower() or name.istitle())


def _hedged(text: str, good: Sequence[CallSpan]) -> bool:
    """Return whether a call is an example, denied, or one of several options."""
    last = 0
    for number, span in enumerate(good):
        before = text[max(last, span.start - _NEAR) : span.start]
        sentence = _SENTENCE.split(before.rstrip())[-1]
        if _HEDGE.search(sentence) or (number and _OR.search(before)):
            return True
        last = span.end
    return False


def _once(text: str, good: Sequence[CallSpan]) -> list[ToolCall]:
    """Merge repeated calls: the same call written again after some words."""
    calls: list[ToolCall] = []
    known: set[str] = set()
    last = 0
    for span in good:
        again = bool(_WORD.search(text, last, span.start))
        new = [call for call in span.calls or () if not (again and canonical(call) in known)]
        known.update(map(canonical, new))
        calls += new
        last = span.end
    return calls
