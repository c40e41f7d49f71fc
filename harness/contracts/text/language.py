"""Detect texts in the wrong language. Reports a violation only if the detector is certain."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from harness.core.extras import needed

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LONGEST = 2_000
"""Number of characters that the detector reads."""

_SURE = 0.6
"""Minimum probability of the best language. `python bench/accuracy/language.py` measures other values."""
_FEW = 4
"""Texts with fewer words are not judged: “Redis timeout, Frankfurt” has no language."""
_QUOTED = re.compile(r"[\"“„«][^\"“”„«»\n]{1,300}+[\"”“»]")
_WORD = re.compile(r"[^\W\d_]{2,}")


def languages() -> frozenset[str]:
    """Return the supported languages as ISO 639-1 codes."""
    return frozenset(_identifier().labels)


def is_other(text: str, language: str) -> bool:
    """Return whether `text`, without quotations, is certainly not in `language`."""
    head = text[:LONGEST]
    unquoted = _QUOTED.sub(" ", head)
    if len(_WORD.findall(unquoted)) < _FEW:
        unquoted = head
    if len(_WORD.findall(unquoted)) < _FEW:
        return False
    detected, share = _identifier().classify(unquoted)
    return bool(detected != language and share >= _SURE)


@cache
def _identifier() -> LanguageIdentifier:
    with needed("summaries", "The check of a text's language needs py3langid"):
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
