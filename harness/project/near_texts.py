"""Near duplicates: texts that a reader would take for the same text, typed twice.

Two texts are alike if they differ only in case, spaces, punctuation, fillers ("a", "please"), a doubled word or typing
errors. A changed number, a negation, another name or another word makes them different, however long they are: in a set
made from a template, that word is the case. `bench/accuracy/near_duplicates.py` measures how often the rules are wrong.

Candidates are all pairs whose characters differ in at most 4%, by rapidfuzz. `_Pair` then compares word by word.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Words = tuple[str, ...]

MIN_WORDS = 5
"""Shorter texts are alike only if all words are equal: one letter may be another word (shipping, shopping cost)."""
MIN_LETTERS = 5
"""A shorter word is never a typing error of another: many differ in one letter (send, lend)."""
WORDS_PER_ERROR = 10
CHARACTERS_PER_EDIT = 25
NEAREST = 50
"""Most candidates that one text is compared with word by word."""
COMPARISONS = 150_000_000
"""Most pairs compared by characters. Beyond it, each text is compared with the next ones by length and alphabet."""
FILLERS = frozenset({"a", "an", "the", "hi", "hello", "please", "thanks"})
"""Words that a copy may add or leave out."""
_ROWS = 256
_SENTENCE_ENDS = ".!?:…。！？"
_QUOTES = ".,;:!?…'\"“”‘’«»„¿¡"


@dataclass(frozen=True)
class Text:
    """The inputs of a case as words, by input. `names`: words with a capital inside a sentence, in lower case."""

    inputs: tuple[str, ...]
    words: tuple[Words, ...]
    names: frozenset[str]

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> Text:
        """Split the inputs into words. A value that is no text counts as one word, which must be equal."""
        names: set[str] = set()
        keys = tuple(sorted(inputs))
        return cls(keys, tuple(_words(inputs[key], names) for key in keys), frozenset(names))

    @property
    def key(self) -> str:
        """Equal for texts that differ only in case, spaces and punctuation."""
        return "\x1e".join((*self.inputs, *map(_joined, self.words)))

    @property
    def fixed(self) -> tuple[Any, ...]:
        """Everything that near duplicates must have in common: names of the inputs, numbers, signs."""
        return self.inputs, tuple(tuple(word for word in words if not word.isalpha()) for words in self.words)


def near_pairs(texts: Sequence[Text]) -> Iterator[tuple[int, int]]:
    """Yield the indices of near duplicates, first index below second. `texts`: with different keys."""
    known = Counter(word for text in texts for word in {word for words in text.words for word in words})
    window = max(1, COMPARISONS // max(1, len(texts)))
    blocks: dict[Any, list[int]] = {}
    for index, text in enumerate(texts):
        if max(map(len, text.words)) >= MIN_WORDS:
            blocks.setdefault(text.fixed, []).append(index)
    for block in blocks.values():
        for a, b in _candidates(texts, block, window):
            if _Pair(texts[a], texts[b], known).are_alike():
                yield a, b


def _candidates(texts: Sequence[Text], block: list[int], window: int) -> Iterator[tuple[int, int]]:
    """Pairs of a block whose characters are almost equal. Sorted by length, so that only close lengths are compared."""
    if len(block) == 1:
        return
    import numpy as np
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    spelled = [("\x1f".join(" ".join(_core(words)) for words in texts[index].words), index) for index in block]
    spelled.sort(key=lambda item: (len(item[0]), item))
    lengths = np.array([len(line) for line, _ in spelled])
    for start in range(0, len(spelled), _ROWS):
        rows = spelled[start : start + _ROWS]
        most = _most_edits(len(rows[-1][0]))
        end = int(np.searchsorted(lengths, len(rows[-1][0]) + most, side="right"))
        columns = spelled[start : min(end, start + _ROWS + window)]
        distances = process.cdist(
            [line for line, _ in rows],
            [line for line, _ in columns],
            scorer=Levenshtein.distance,
            score_cutoff=most,
            dtype=np.int32,
            workers=-1,
        )
        found = zip(*(axis.tolist() for axis in np.nonzero(distances <= most)), strict=True)
        for row, group in groupby(((i, j) for i, j in found if i < j), key=lambda pair: pair[0]):
            others = sorted((int(distances[row, j]), j) for _, j in group)
            for _, j in others[:NEAREST]:
                a, b = rows[row][1], columns[j][1]
                yield min(a, b), max(a, b)


def _most_edits(length: int) -> int:
    """Most characters that differ: a transposition is two."""
    return max(2, length // CHARACTERS_PER_EDIT)


@dataclass(frozen=True)
class _Pair:
    """Two texts of a set. `known`: in how many of its texts each word stands."""

    one: Text
    two: Text
    known: Counter[str]

    def are_alike(self) -> bool:
        """Whether all inputs differ in typing errors and doubled words at most."""
        return all(map(self._is_alike, self.one.words, self.two.words))

    def _is_alike(self, left: Words, right: Words) -> bool:
        if left == right:
            return True
        shorter = min(len(left), len(right))
        if shorter < MIN_WORDS:
            return _joined(left) == _joined(right)
        errors = 0
        for a, b in _differences(_core(left), _core(right)):
            if _joined(a) == _joined(b):
                continue
            if len(a) != len(b) or not all(map(self._is_typing_error, a, b)):
                return False
            errors += len(a)
        return errors <= max(1, shorter // WORDS_PER_ERROR)

    def _is_typing_error(self, a: str, b: str) -> bool:
        """One letter inside the word is more, less or other, or two are in the wrong order.

        At the ends of a word, it is more often grammar than an error. Two words that other texts use are two words.
        """
        from rapidfuzz.distance import OSA

        if min(len(a), len(b)) < MIN_LETTERS or a[0] + a[-1] != b[0] + b[-1] or not (a.isalpha() and b.isalpha()):
            return False
        if a.upper() == a or {a, b} & (self.one.names | self.two.names):  # a script without case has no letters to slip
            return False
        return OSA.distance(a, b, score_cutoff=1) <= 1 and not (self._is_known(a) and self._is_known(b))

    def _is_known(self, word: str) -> bool:
        own = sum(any(word in words for words in text.words) for text in (self.one, self.two))
        return self.known[word] > own


def _differences(left: Words, right: Words) -> Iterator[tuple[Words, Words]]:
    """The parts that differ."""
    from rapidfuzz.distance import Levenshtein

    steps = Levenshtein.opcodes(left, right)
    for equal, group in groupby(steps, key=lambda step: step.tag == "equal"):
        if not equal:
            parts = list(group)
            start, end = parts[0], parts[-1]
            yield left[start.src_start : end.src_end], right[start.dest_start : end.dest_end]


def _core(words: Words) -> Words:
    """The words without fillers, and a doubled word once."""
    return tuple(word for word, _ in groupby(words) if word not in FILLERS)


def _joined(words: Words) -> str:
    """The words without spaces, as in "e mail" and "email", but numbers apart."""
    return "".join(word if word.isalpha() else f" {word} " for word in words)


def _words(value: Any, names: set[str]) -> Words:
    if not isinstance(value, str):
        return (f"\x1d{json.dumps(value, sort_keys=True)}",)
    found: list[str] = []
    starts, has_case = True, value.upper() != value
    for token in unicodedata.normalize("NFKC", value).split():
        plain = token.strip(_QUOTES)
        if plain.isalpha():
            parts = [sys.intern(plain.casefold())]
        elif any(sign.isnumeric() for sign in plain):
            parts = [plain.casefold()]
        else:
            parts = plain.casefold().translate(_PUNCTUATION).split()
        if has_case and not starts and plain[:1].isupper():
            names.update(parts)
        found += parts
        starts = token[-1] in _SENTENCE_ENDS
    return tuple(found) or (f"\x1d{value.strip()}",)


class _Punctuation(dict[int, str | None]):
    """Translation of characters: apostrophes vanish, other punctuation and control characters become spaces."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        self[code] = sign if unicodedata.category(sign)[0] not in "PC" else "" if sign in "'’‘`" else " "
        return self[code] or ""


_PUNCTUATION = _Punctuation()
