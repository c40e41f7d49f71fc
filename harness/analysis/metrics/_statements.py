"""Rules that decide whether a text contains a fact or states a phrase.

A text has a fact if one of its sentences has all words of one phrasing, in any order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

LONGEST = 20_000
"""Most characters of a text that are examined. A summary has a few hundred."""


def listed(words: str) -> tuple[str, ...]:
    """Split text at white space."""
    return tuple(words.split())


_TO_NINETEEN = listed(
    "zero one two three four five six seven eight nine ten "
    "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_SMALL = {word: number for number, word in enumerate(_TO_NINETEEN)}
_BY_TEN = listed("twenty thirty forty fifty sixty seventy eighty ninety")
_TENS = {word: 10 * number for number, word in enumerate(_BY_TEN, 2)}
_UNITS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "second"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "minute"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hour"),
    **dict.fromkeys(("d", "day", "days"), "day"),
    **dict.fromkeys(("week", "weeks"), "week"),
}
_TIMES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}

_PLAIN = str.maketrans({**dict.fromkeys("–—−‑‐", "-"), **dict.fromkeys("’‘ʼ", "'"), **dict.fromkeys("“”„«»", '"')})
_THOUSANDS = re.compile(r"(?<=\d)[,'\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_MILLIONS = re.compile(r"(?<=\d)M\b")
_COUNTED = re.compile(r"\b(\d{1,12}(?:\.\d{1,6})?)[ -]?(k|thousand|million|bn|billion)\b")
_TENS_AND_ONES = re.compile(rf"\b({'|'.join(_TENS)})(?:[- ]({'|'.join(_SMALL)}))?\b")
_SMALL_WORD = re.compile(rf"\b({'|'.join(_SMALL)})\b")
_PERCENT = re.compile(r"(?<=\d) ?(?:%|percent\b|per cent\b)")
_WITH_UNIT = re.compile(rf"(?<=\d)[ -]?({'|'.join(sorted(_UNITS, key=len, reverse=True))})\b")
_AFTERNOON = re.compile(r"\b(\d{1,2}):(\d\d) ?([ap])\.?m\b\.?")
_NEGATED = (
    (re.compile(r"\bcan(?:not|'t)\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
)
_POSSESSIVE = re.compile(r"(?<=\w)'s\b")
_JOINED = re.compile(r"(?<=\w)-(?=\w)")
_ANY_ENDING = "\ue000"
_TOKEN = re.compile(rf"\w+(?:[.:]\w+)*[%{_ANY_ENDING}]?")
_ZEROS = re.compile(r"\A0+(?=\d)")
_ARTICLES = frozenset({"a", "an", "the"})
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]]{0,3}\s+|\n+")

_RETRACTING = frozenset(
    listed(
        "not no never nor neither without ruled initially first early earlier suspected suspicion thought believed "
        "assumed wrongly mistakenly rather instead unrelated false incorrect incorrectly excluded dismissed hypothesis "
        "theory blamed disproved herring although though despite innocent nobody none"
    )
)
"""Words that retract a statement in the same sentence: “DDoS was suspected first”."""


def sentences(text: str) -> list[str]:
    """Split a text into sentences. A line break ends a sentence."""
    return [piece for piece in _SENTENCE.split(text[:LONGEST]) if piece and piece.strip()]


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """Normalize the spelling, so that “1,200” equals “1200”, and “10 min” equals “ten minutes”."""
    text = _MILLIONS.sub(" million", _THOUSANDS.sub("", text[:LONGEST].translate(_PLAIN)))
    text = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)
    text = _TENS_AND_ONES.sub(lambda m: str(_TENS[m[1]] + (_SMALL[m[2]] if m[2] else 0)), text)
    text = _SMALL_WORD.sub(lambda m: str(_SMALL[m[1]]), text)
    text = _COUNTED.sub(lambda m: f"{float(m[1]) * _TIMES[m[2]]:.10g}", text)
    text = _WITH_UNIT.sub(lambda m: _UNITS[m[1]], _PERCENT.sub("%", text))
    text = _AFTERNOON.sub(lambda m: f"{int(m[1]) % 12 + (12 if m[3] == 'p' else 0)}:{m[2]}", text)
    for pattern, plain in _NEGATED:
        text = pattern.sub(plain, text)
    return _POSSESSIVE.sub("", text)


def tokens(text: str) -> list[str]:
    """Return the normalized words without articles, hyphens and leading zeros."""
    words = _TOKEN.findall(_JOINED.sub(" ", normal(text)))
    return [_ZEROS.sub("", token) for token in words if token not in _ARTICLES]


def has_fact(text: str, phrasings: Iterable[str]) -> bool:
    """Return whether a sentence has all words of one phrasing, in any order. `*` matches any word ending."""
    sentence_words = [frozenset(tokens(sentence)) for sentence in sentences(text)]
    return any(_all_in(_words(phrasing), words) for phrasing in phrasings for words in sentence_words)


def states(text: str, phrasings: Iterable[str]) -> bool:
    """Return whether a sentence has the words of one phrasing in sequence and does not retract them."""
    wanted = [_words(phrasing) for phrasing in phrasings]
    for sentence in sentences(text):
        sentence_words = tokens(sentence)
        if not _RETRACTING.isdisjoint(sentence_words):
            continue
        if any(_contains_run(words, sentence_words) for words in wanted):
            return True
    return False


def _words(phrasing: str) -> list[str]:
    return tokens(phrasing.replace("*", _ANY_ENDING))


def _matches(wanted: str, token: str) -> bool:
    return token.startswith(wanted[:-1]) if wanted.endswith(_ANY_ENDING) else token == wanted


def _all_in(wanted: Sequence[str], sentence: frozenset[str]) -> bool:
    return all(
        word in sentence if not word.endswith(_ANY_ENDING) else any(_matches(word, token) for token in sentence)
        for word in wanted
    )


def _contains_run(wanted: Sequence[str], sentence: Sequence[str]) -> bool:
    n = len(wanted)
    return any(all(map(_matches, wanted, sentence[start : start + n])) for start in range(len(sentence) - n + 1))
