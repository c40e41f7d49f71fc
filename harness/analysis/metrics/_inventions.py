"""Detection of numbers and names in a text that do not occur in its sources.

The rules avoid false alarms. A number is accepted if it follows from the sources: a duration between two times, a
rounded figure, or hours for minutes. The first word of a sentence, words of a title and common abbreviations do not
count as names.
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
"""Most times of a source whose differences are computed, because their number grows quadratically."""
_ABOUT = re.compile(
    r"(?:\b(?:about|around|roughly|nearly|almost|over|under|approximately|approx\.?|some|circa|ca\.?|up to|at least"
    r"|more than|less than|fewer than|close to|just)|[~≈<>+]) ?\Z"
)
_DAY = 24 * 60
_OF_TIME = frozenset({"second", "minute", "hour"})
_HOUR_TOLERANCE = 3
"""Accepted rounding of hours, in minutes: “1.5 hours” matches 87 to 93 minutes."""
_LONG_WORD = 5
"""Least length at which a part of a longer word is known: “gateway” in “smsgateway2”, but not “Tom” in “customer”."""

_WORD = re.compile(r"[^\W_](?:[\w.'’/-]*[^\W_])?")
_IDENTIFIER = re.compile(r"(?=\S*[^\W\d_])(?:\S*\d\S*|\w+_\w+\S*|[^\W\d_]+[a-z][A-Z]\S*|[A-Z]{2,}s?)")
_PARTS = re.compile(r"[-/'’._]")
_SQUEEZE = re.compile(r"[^\w]|_")
_NUMBER_AND_UNIT = re.compile(
    r"\d[\d.,:/]*(?:(?:st|nd|rd|th|ms|s|min|h|d|k|m|x|%|am|pm|[kmgt]i?b|bn)?\Z|-)", re.IGNORECASE
)
"""Numbers, and words that start with one (“61-million-row”, “32-bit”), are not names."""
_COMMON_ABBREVIATIONS = frozenset(
    listed(
        "api apis cpu db dns http https sla slo id ids ip ips it os ui url urls utc gmt cet cest est pst us usa uk eu "
        "emea rca ci cd eta faq hr ok qa sre ops pr prs vm vms ram ssl tls sql json xml csv pdf sms tv am pm cto ceo "
        "oom sso noc vpn"
    )
)
"""Abbreviations that are accepted even if no source has them."""
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
_SENTENCE_START = re.compile(r"(?:[.!?…:;]|[-•*–—]|\d[.)]|\A)[\"'“‘(\[]*\Z")
_TITLE = 0.6
"""Share of capitalized words above which a sentence counts as a title."""
_NOUNS = 0.3
"""Share of capitalized words above which the language capitalizes all nouns."""


def invented_numbers(text: str, source: str) -> tuple[str, ...]:
    """Return the numbers in `text` that neither occur in `source` nor follow from it, each once, normalized."""
    known_text = normal(source)
    digits = {*_ANY_NUMBER.findall(known_text), *_WHOLE_NUMBER.findall(known_text)}
    known = {float(number) for number in digits}
    times = list(dict.fromkeys(int(m[1]) * 60 + int(m[2]) for m in _CLOCK.finditer(known_text)))
    durations = {abs(a - b) for a, b in combinations(times[:_MOST_TIMES], 2)}
    known |= {float(minutes) for span in durations for minutes in (span, _DAY - span)}
    normalized = normal(text)
    invented: dict[str, None] = {}
    for match in _NUMBER.finditer(normalized):
        approximate = _ABOUT.search(normalized, max(0, match.start() - 16), match.start()) is not None
        if not _supported(match[1], known, known_text, approximate=approximate, timed=match[2] in _OF_TIME):
            invented[match[0]] = None
    return tuple(invented)


def _supported(number: str, known: set[float], source: str, *, approximate: bool, timed: bool) -> bool:
    if ":" in number or number.count(".") > 1:
        plain = number.removeprefix("0") if ":" in number else number
        return re.search(rf"(?<![\d.:])0?{re.escape(plain)}(?!:?\d)", source) is not None
    value = float(number)
    if value in known or any(x != int(x) and round(x) == value for x in known):
        return True
    if timed and any(value == x * 60 or abs(value * 60 - x) <= _HOUR_TOLERANCE for x in known):
        return True
    if not approximate or value <= 0:
        return False
    digits, _, decimals = number.partition(".")
    step = 10.0 ** (-len(decimals) if decimals else len(digits) - len(digits.rstrip("0")))
    return any(abs(x - value) <= step for x in known if x > 0)


def invented_names(text: str, source: str) -> tuple[str, ...]:
    """Return the names and identifiers in `text` that `source` has in no spelling, each once."""
    squeezed = _squeezed(source)
    source_words = _WORD.findall(source[:LONGEST])
    words = {_squeezed(part) for word in source_words for part in (word, *_PARTS.split(word))}
    capitals_mark_names = not _capitalises_nouns(source)
    invented: dict[str, None] = {}
    for sentence in sentences(text):
        matches = list(_WORD.finditer(sentence))
        titled = _is_title([m[0] for m in matches])
        for m in matches:
            word = m[0].removesuffix("'s").removesuffix("’s")
            plain = _squeezed(word)
            if _NUMBER_AND_UNIT.match(word) or _known(plain, words, squeezed):
                continue
            if _IDENTIFIER.fullmatch(word):
                if plain.removesuffix("s") not in _COMMON_ABBREVIATIONS and not _all_known(word, words):
                    invented[word] = None
            elif capitals_mark_names and not titled and _is_name(word, sentence[: m.start()].rstrip(), words):
                invented[word] = None
    return tuple(invented)


def _known(plain: str, words: set[str], squeezed: str) -> bool:
    return plain in words or (len(plain) >= _LONG_WORD and plain in squeezed)


def _is_name(word: str, before: str, words: set[str]) -> bool:
    if not word[0].isupper() or len(word) < 3 or _SENTENCE_START.search(before):
        return False
    return not _all_known(word, words | _COMMON)


def _all_known(word: str, words: set[str] | frozenset[str]) -> bool:
    """Whether each part of a hyphenated word is known, ignoring a plural s."""
    parts = [_squeezed(part) for part in _PARTS.split(word) if part]
    return all(not {part, part.removesuffix("s"), f"{part}s"}.isdisjoint(words) or part in _COMMON for part in parts)


def _squeezed(text: str) -> str:
    return _SQUEEZE.sub("", text[:LONGEST].casefold())


def _is_title(words: list[str]) -> bool:
    letters = [word for word in words if word[0].isalpha()]
    return len(letters) > 2 and sum(word[0].isupper() for word in letters) > _TITLE * len(letters)


def _capitalises_nouns(source: str) -> bool:
    """Whether the language capitalizes all nouns, as German does. Capitals then do not mark names."""
    inner = [word for sentence in sentences(source) for word in _WORD.findall(sentence)[1:] if word[0].isalpha()]
    capital = sum(word[0].isupper() and word[1:].islower() for word in inner)
    return len(inner) > 20 and capital > _NOUNS * len(inner)
