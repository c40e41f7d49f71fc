"""Remove what models add around a text: announcements, offers, fences, quotation marks, tags.

Only the beginning and the end are read, and each layer is removed once, so time is linear. A layer is removed only if
no reader would take it for a part of the text: “The summary job failed: …” is no announcement.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.contracts.json.repair import MISSING, loads

_HEAD = 400
_TAIL = 700
_LAYERS = 8
"""Maximum number of layers to remove. No model adds more."""

_MARKS = r"[*_#>\s]{0,6}"
_NOUN = (
    r"(?:summary|summari[sz]ation|overview|recap|tl;? ?dr|synopsis|rundown|digest|abstract|key (?:points|takeaways)"
    r"|zusammenfassung|kurzfassung|r[eé]sum[eé]|resumen|resumo|riassunto|sintesi|samenvatting|sammanfattning"
    r"|要約|まとめ|摘要|总结|總結|요약)"
)
_KIND = (
    r"(?:the|an?|my|your|this|incident|outage|issue|thread|brief|short|concise|quick|final|overall|executive|draft|clear"
    r"|plain|text|english|one[- ]sentence|(?:two|three|\d{1,3})[- ](?:word|sentence)s?|post-?mortem|neutral|factual)"
)
_THING = r"(?:incident|outage|thread|conversation|discussion|event|issue|messages?|text|chat|timeline|situation|case)"
_INTERJECTION = (
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|all ?right|great|got it|no problem|understood|gladly"
    r"|hello|hi(?: there)?|(?:i'?d|i would) be (?:happy|glad) to[^\n:.!?]{0,60}+|happy to help|thanks? (?:you )?for"
    r"[^\n:.!?]{0,80}+|natürlich|gerne?|klar|bien sûr|claro|por supuesto|certo|natuurlijk)"
)
_OPENS = (
    r"(?:here(?:'s| is| are| you go| it is| you are)|below(?: is| are|,? you)|the following (?:is|are)|please find"
    r"|i(?:'ve| have)? (?:summari[sz]ed|prepared|written|created|condensed)"
    r"|hier (?:ist|eine|die|is|een)|nachfolgend|im folgenden|voici|ci-dessous|aquí|a continuación|aqui|segue|ecco"
    r"|di seguito|hieronder)\b"
)

_COLON = r":[*_]{0,3}\s{0,8}"
_SAID_FIRST = rf"(?:{_INTERJECTION}[,!.–—-]{{1,2}} )?(?:so,? )?"
_REST = r"[^\n:.!?]{0,160}+"
_OF_THE_THING = rf"(?: (?:of|for|du|der|des|del|do) (?:the |this |l')?(?:{_KIND} )?\w{{0,4}} ?{_THING})?"
_SURE = rf"{_INTERJECTION}[!.]{{1,3}}[*_]{{0,3}}(?=\s)\s{{0,8}}"
_HERE_IS = rf"{_SAID_FIRST}{_OPENS}{_REST}{_COLON}"
_HERE_IS_ON_ITS_LINE = rf"{_SAID_FIRST}{_OPENS}[^\n:.!?]{{0,80}}?\b{_NOUN}\b{_REST}[.!]?[*_]{{0,3}}\n\s{{0,8}}"
_THIS_IS = rf"this is (?:{_KIND} ){{0,4}}{_NOUN}\b{_REST}{_COLON}"
_LABEL = (
    rf"(?:{_KIND} ){{0,4}}{_NOUN}{_OF_THE_THING}(?: ?\([^()\n]{{1,40}}+\))?[*_]{{0,3}} ?"
    rf"(?:[:：][*_]{{0,3}}\s{{0,8}}|[–—-] |\n\s{{0,8}})"
)
_OUTPUT = rf"(?:output|answer|response|result)[*_]{{0,3}}{_COLON}"
_PREAMBLES = tuple(
    re.compile(rf"\A{_MARKS}{body}", re.IGNORECASE)
    for body in (_SURE, _HERE_IS, _HERE_IS_ON_ITS_LINE, _THIS_IS, _LABEL, _OUTPUT)
)
_OFFER = re.compile(
    r"[*_>\s(\[-]{0,6}(?:let me know|feel free|please (?:let me know|feel free|don't hesitate|do not hesitate|tell me)"
    r"|would you like|do you (?:want|need)|should i|shall i"
    r"|if you(?:'d| would)? ?(?:like|need|want|have|prefer)[^\n]{0,80}?"
    r"\b(?:me|let|questions?|help|i can|further|another|longer|shorter)\b"
    r"|(?:i )?hope (?:this|that|it)\b|is there anything|i can also|i(?:'m| am) happy|happy to"
    r"|(?:please )?note(?: that|:)?\W{0,4}(?:this|the|my) summary|(?:this|my|the above) summary "
    r"(?:is|was|contains|has|keeps|stays|captures|includes|covers|uses|focuses|provides|does)"
    r"|(?:total )?word count|words: ?\d|\d{1,3} words?\b[)\].*]{0,3}\s{0,3}\Z"
    r"|i(?:'ve| have) (?:kept|summari[sz]ed|tried|left)|that'?s (?:it|all)"
    r"|end of (?:the )?summary|\[?end\]?\s{0,3}\Z|thank you for|thanks for"
    r"|sagen sie mir|lassen sie mich|n'hésitez pas|avísame|házmelo saber|fammi sapere|laat (?:het )?me weten)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?…)\]*])\s{1,4}|\n\s{0,4}")
_NEXT_TURN = re.compile(
    r"\n[*_#\s]{0,6}(?:(?:incident )?thread|input|user|human|assistant|instructions?|question|example)"
    r" ?\d{0,2}[*_]{0,3}:",
    re.IGNORECASE,
)
_TAG = re.compile(r"\A<([a-z][a-z_-]{0,30})>", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "‘": "’", "'": "'", "「": "」", "『": "』"}
_FENCE = re.compile(r"\A(```|~~~)[\w+-]{0,20}[ \t]{0,8}\n|\A(```|~~~)")


def unwrap(text: str) -> tuple[str, set[str]]:
    """Return the text without its wrapping, and the violation codes of the wrapping."""
    codes: set[str] = set()
    text = text.strip()
    for _ in range(_LAYERS):
        before = text
        for code, peel in _PEELS:
            inner = peel(text).strip()
            if inner != text:
                codes.add(code)
                text = inner
        if text == before:
            break
    return text, codes


def _preamble(text: str) -> str:
    head = text[:_HEAD].replace("’", "'")
    for pattern in _PREAMBLES:
        match = pattern.match(head)
        if match:
            return text[match.end() :]
    return text


def _trailing(text: str) -> str:
    """Remove offers and remarks at the end, and an invented next turn."""
    turn = _NEXT_TURN.search(text)
    if turn and text[: turn.start()].strip():
        return text[: turn.start()]
    offset = max(0, len(text) - _TAIL)
    tail = text[offset:].replace("’", "'")
    starts = [match.end() for match in _SENTENCE.finditer(tail)]
    for start in reversed(starts[-2:]):
        if start and _OFFER.match(tail, start):
            return text[: offset + start]
    return "" if offset == 0 and _OFFER.match(tail) and len(starts) < 2 else text


def _fence(text: str) -> str:
    match = _FENCE.match(text)
    if not match:
        return text
    mark = match[1] or match[2]
    if len(text) < match.end() + 3 or not text.endswith(mark) or text.find(mark, match.end(), len(text) - 3) >= 0:
        return text
    return text[match.end() : -3]


def _quotes(text: str) -> str:
    """Remove quotation marks around the whole text; a JSON object with a single text counts as quoted text."""
    closing = _QUOTES.get(text[:1])
    if closing and len(text) > 1 and text.endswith(closing) and text.find(closing, 1) == len(text) - 1:
        inner = text[1:-1]
        return text if text[0] in inner else inner
    if text.startswith("{") and text.endswith("}"):
        value = loads(text)
        if value is not MISSING and isinstance(value, dict) and len(value) == 1:
            (inner,) = value.values()
            return inner if isinstance(inner, str) else text
    return text


def _tag(text: str) -> str:
    match = _TAG.match(text)
    if not match:
        return text
    closing = f"</{match[1]}>"
    return text[match.end() : -len(closing)] if text.endswith(closing) else text


_PEELS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("markdown", _tag),
    ("code_fence", _fence),
    ("preamble", _preamble),
    ("trailing_text", _trailing),
    ("quoted", _quotes),
)
