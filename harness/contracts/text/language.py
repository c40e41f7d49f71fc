"""Whether a text is in the language that was asked for. Says no only where the detector is sure."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LONGEST = 2_000
"""Characters that are looked at: a language shows in far fewer."""

_SURE = 0.6
"""The detector's own share for the best language. `python bench/accuracy/language.py` shows other values."""
_FEW = 4
"""A text of fewer words shows no language: “Redis timeout, Frankfurt”."""
_QUOTED = re.compile(r"[\"“„«][^\"“”„«»\n]{1,300}+[\"”“»]")
_WORD = re.compile(r"[^\W\d_]{2,}")


def languages() -> frozenset[str]:
    """The languages that can be told apart, by their ISO 639-1 codes."""
    return frozenset(_identifier().labels)


def is_other(text: str, language: str) -> bool:
    """Whether `text`, leaving out what it quotes, is surely in another language than `language`."""
    head = text[:LONGEST]
    said = _QUOTED.sub(" ", head)
    if len(_WORD.findall(said)) < _FEW:
        said = head
    if len(_WORD.findall(said)) < _FEW:
        return False
    found, share = _identifier().classify(said)
    return bool(found != language and share >= _SURE)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
