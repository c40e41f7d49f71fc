"""Numbers and names in a text that its sources do not have.

Cautious: what could have been worked out from the sources (a duration between two of their times, a rounded figure,
minutes for hours) and what merely looks like a name (the first word of a sentence, a title, a usual abbreviation) is
let through.
"""

from __future__ import annotations

import re
from itertools import combinations

from harness.analysis.metrics._statements import LONGEST, listed, normal, sentences

_NUMBER = re.compile(r"(?<![\w.:])(?<![a-z_]-)(\d+(?:[.:]\d+)*)(%|[a-z]+)?")
_ANY_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WHOLE_NUMBER = re.compile(r"\d+")
_CLOCK = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?![\d])")
_MOST_TIMES = 60
"""Times of a source whose differences are looked at; their number grows with the square."""
_ABOUT = re.compile(
    r"(?:\b(?:about|around|roughly|nearly|almost|over|under|approximately|approx\.?|some|circa|ca\.?|up to|at least"
    r"|more than|less than|fewer than|close to|just)|[~≈<>+]) ?\Z"
)
_DAY = 24 * 60
_OF_TIME = frozenset({"second", "minute", "hour"})
_ABOUT_A_TWENTIETH = 3
"""“1.5 hours” may be said of 87 to 93 minutes."""
_SPELLED_AT_LENGTH = 5
"""A word this long that is part of a longer one is known (“gateway” of “smsgateway2”); “Tom” of “customer” is not."""

_WORD = re.compile(r"[^\W_](?:[\w.'’/-]*[^\W_])?")
_IDENTIFIER = re.compile(r"(?=\S*[^\W\d_])(?:\S*\d\S*|\w+_\w+\S*|[^\W\d_]+[a-z][A-Z]\S*|[A-Z]{2,}s?)")
_PARTS = re.compile(r"[-/'’._]")
_SQUEEZE = re.compile(r"[^\w]|_")
_NUMBER_AND_UNIT = re.compile(
    r"\d[\d.,:/]*(?:(?:st|nd|rd|th|ms|s|min|h|d|k|m|x|%|am|pm|[kmgt]i?b|bn)?\Z|-)", re.IGNORECASE
)
"""A number is no name, nor is what hangs on one: “61-million-row”, “32-bit”."""
_SOURCE_LESS = frozenset(
    listed(
        "api apis cpu db dns http https sla slo id ids ip ips it os ui url urls utc gmt cet cest est pst us usa uk eu "
        "emea rca ci cd eta faq hr ok qa sre ops pr prs vm vms ram ssl tls sql json xml csv pdf sms tv am pm cto ceo "
        "oom sso noc vpn"
    )
)
"""Abbreviations that everybody may use although no source does."""
_COMMON = frozenset(
    listed(
        "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
        "september october november december english french german spanish european american i support engineering "
        "engineers operations team security finance marketing sales legal infrastructure platform database network "
        "service services customer customers users incident outage summary impact cause root resolution fix timeline "
        "action actions follow next steps status update issue the a an and or but of in on at to for from by with "
        "after before during no not this that these it its their"
    )
)
_STARTS_ANEW = re.compile(r"(?:[.!?…:;]|[-•*–—]|\d[.)]|\A)[\"'“‘(\[]*\Z")
_TITLE = 0.6
_NOUNS = 0.3


def invented_numbers(text: str, source: str) -> tuple[str, ...]:
    """The numbers of `text` that stand nowhere in `source` and do not follow from it, each once, in normal spelling."""
    known_text = normal(source)
    digits = {*_ANY_NUMBER.findall(known_text), *_WHOLE_NUMBER.findall(known_text)}
    known = {float(number) for number in digits}
    times = list(dict.fromkeys(int(m[1]) * 60 + int(m[2]) for m in _CLOCK.finditer(known_text)))
    apart = {abs(a - b) for a, b in combinations(times[:_MOST_TIMES], 2)}
    known |= {float(minutes) for span in apart for minutes in (span, _DAY - span)}
    said = normal(text)
    made_up: dict[str, None] = {}
    for found in _NUMBER.finditer(said):
        about = _ABOUT.search(said, max(0, found.start() - 16), found.start()) is not None
        if not _supported(found[1], known, known_text, about=about, timed=found[2] in _OF_TIME):
            made_up[found[0]] = None
    return tuple(made_up)


def _supported(number: str, known: set[float], source: str, *, about: bool, timed: bool) -> bool:
    if ":" in number or number.count(".") > 1:
        plain = number.removeprefix("0") if ":" in number else number
        return re.search(rf"(?<![\d.:])0?{re.escape(plain)}(?!:?\d)", source) is not None
    value = float(number)
    if value in known or any(one != int(one) and round(one) == value for one in known):
        return True
    if timed and any(value == one * 60 or abs(value * 60 - one) <= _ABOUT_A_TWENTIETH for one in known):
        return True
    if not about or value <= 0:
        return False
    digits, _, decimals = number.partition(".")
    step = 10.0 ** (-len(decimals) if decimals else len(digits) - len(digits.rstrip("0")))
    return any(abs(one - value) <= step for one in known if one > 0)


def invented_names(text: str, source: str) -> tuple[str, ...]:
    """The names and identifiers of `text` that `source` does not have in any spelling, each once."""
    squeezed = _squeezed(source)
    found = _WORD.findall(source[:LONGEST])
    words = {_squeezed(part) for word in found for part in (word, *_PARTS.split(word))}
    capitals_tell = not _capitalises_nouns(source)
    made_up: dict[str, None] = {}
    for sentence in sentences(text):
        found = list(_WORD.finditer(sentence))
        titled = _is_title([m[0] for m in found])
        for m in found:
            word = m[0].removesuffix("'s").removesuffix("’s")
            plain = _squeezed(word)
            if _NUMBER_AND_UNIT.match(word) or _known(plain, words, squeezed):
                continue
            if _IDENTIFIER.fullmatch(word):
                if plain.removesuffix("s") not in _SOURCE_LESS and not _all_known(word, words):
                    made_up[word] = None
            elif capitals_tell and not titled and _is_name(word, sentence[: m.start()].rstrip(), words):
                made_up[word] = None
    return tuple(made_up)


def _known(plain: str, words: set[str], squeezed: str) -> bool:
    return plain in words or (len(plain) >= _SPELLED_AT_LENGTH and plain in squeezed)


def _is_name(word: str, before: str, words: set[str]) -> bool:
    if not word[0].isupper() or len(word) < 3 or _STARTS_ANEW.search(before):
        return False
    return not _all_known(word, words | _COMMON)


def _all_known(word: str, words: set[str] | frozenset[str]) -> bool:
    """Whether each part of a hyphenated word is known, as itself or with another ending."""
    parts = [_squeezed(part) for part in _PARTS.split(word) if part]
    return all(not {part, part.removesuffix("s"), f"{part}s"}.isdisjoint(words) or part in _COMMON for part in parts)


def _squeezed(text: str) -> str:
    return _SQUEEZE.sub("", text[:LONGEST].casefold())


def _is_title(words: list[str]) -> bool:
    letters = [word for word in words if word[0].isalpha()]
    return len(letters) > 2 and sum(word[0].isupper() for word in letters) > _TITLE * len(letters)


def _capitalises_nouns(source: str) -> bool:
    """Whether all nouns are written with a capital, as in German: then a capital says nothing about a name."""
    inner = [word for sentence in sentences(source) for word in _WORD.findall(sentence)[1:] if word[0].isalpha()]
    capital = sum(word[0].isupper() and word[1:].islower() for word in inner)
    return len(inner) > 20 and capital > _NOUNS * len(inner)
