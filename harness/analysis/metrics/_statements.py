"""What a text states, as far as rules can tell: which facts it has, and which numbers and names it made up.

All of it is cautious in one direction: a fact is found however it is phrased, as long as one of its phrasings' words
stand in one sentence; a number or a name counts as made up only where nothing in the sources resembles it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

LONGEST = 20_000
"""Characters of a text that are looked at; a summary has a few hundred."""


def listed(words: str) -> tuple[str, ...]:
    """The words between white space."""
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

_WITHDRAWN = frozenset(
    listed(
        "not no never nor neither without ruled initially first early earlier suspected suspicion thought believed "
        "assumed wrongly mistakenly rather instead unrelated false incorrect incorrectly excluded dismissed hypothesis "
        "theory blamed disproved herring although though despite innocent nobody none"
    )
)
"""Words that take back, in the same sentence, what is not to be stated: “DDoS was suspected first”."""


def sentences(text: str) -> list[str]:
    """Its sentences, of each line its own."""
    return [piece for piece in _SENTENCE.split(text[:LONGEST]) if piece and piece.strip()]


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """One spelling for what means the same: “1,200” and “1200”, “2.1M” and “2.1 million”, “10 min”, “ten minutes”."""
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
    """The words of a normal text, without articles and hyphens, numbers without leading zeros."""
    found = _TOKEN.findall(_JOINED.sub(" ", normal(text)))
    return [_ZEROS.sub("", token) for token in found if token not in _ARTICLES]


def has_fact(text: str, phrasings: Iterable[str]) -> bool:
    """Whether some sentence has all words of one of the phrasings, in whatever order. `*` stands for any ending."""
    said = [frozenset(tokens(sentence)) for sentence in sentences(text)]
    return any(_all_in(_words(phrasing), words) for phrasing in phrasings for words in said)


def states(text: str, phrasings: Iterable[str]) -> bool:
    """Whether some sentence has the words of one of the phrasings one after the other, and does not take them back."""
    wanted = [_words(phrasing) for phrasing in phrasings]
    for sentence in sentences(text):
        said = tokens(sentence)
        if not _WITHDRAWN.isdisjoint(said):
            continue
        if any(_run_in(words, said) for words in wanted):
            return True
    return False


def _words(phrasing: str) -> list[str]:
    return tokens(phrasing.replace("*", _ANY_ENDING))


def _is(wanted: str, token: str) -> bool:
    return token.startswith(wanted[:-1]) if wanted.endswith(_ANY_ENDING) else token == wanted


def _all_in(wanted: Sequence[str], said: frozenset[str]) -> bool:
    return all(
        one in said if not one.endswith(_ANY_ENDING) else any(_is(one, token) for token in said) for one in wanted
    )


def _run_in(wanted: Sequence[str], said: Sequence[str]) -> bool:
    n = len(wanted)
    return any(all(map(_is, wanted, said[start : start + n])) for start in range(len(said) - n + 1))
