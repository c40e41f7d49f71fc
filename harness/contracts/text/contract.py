"""The text contract: read a reply that must be one text, such as a summary, and nothing else.

`strict` is the stripped reply if it satisfies every rule. `lenient` is the text without announcements and markup: a
wrong length, language or phrase breaks the contract, but the text is still clear. `lenient` is `None` if the reply has
no text, is truncated, or refuses. Details: docs/reading.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from harness.contracts._cleanup import clean
from harness.contracts._refusal import is_refusal
from harness.contracts.text.language import is_other, languages
from harness.contracts.text.length import paragraphs, sentences, words
from harness.contracts.text.markdown import bullets, without_bullets, without_markup
from harness.contracts.text.wrapping import unwrap
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Reading, Response

_WORD = re.compile(r"[^\W_]")
_SPACES = re.compile(r"\s+")
_ASKS = re.compile(
    r"(?:\A|(?<=[.!?,\n] )|(?<=\n)|(?<=\bbut ))(?:please|could you|can you|would you)(?: please)? "
    r"(?:provide|share|paste|send|give|supply)\b.{0,40}"
    r"\b(?:thread|text|incident|details|information|conversation|messages?|content)\b",
    re.IGNORECASE,
)
_ASKS_WITHIN = 200
"""Number of characters to search for a request for the input text."""
_ORDER = {code: place for place, code in enumerate(VIOLATIONS)}


class LengthLimits(NamedTuple):
    """An inclusive range; `None` means no limit."""

    least: int | None = None
    most: int | None = None

    def codes(self, count: int) -> set[str]:
        """Return the violations of `count`."""
        if self.most is not None and count > self.most:
            return {"too_long"}
        return {"too_short"} if self.least is not None and count < self.least else set()


_FREE = LengthLimits()


@dataclass(frozen=True)
class TextContract:
    """Accepts a text within limits, with nothing around it.

    `required` and `forbidden` phrases match regardless of case and white space. `language` is an ISO 639-1 code. Lists
    count as markdown unless `bullets` limits them. Raises `ValueError` for limits that no text can satisfy.
    """

    words: LengthLimits = _FREE
    sentences: LengthLimits = _FREE
    characters: LengthLimits = _FREE
    paragraphs: LengthLimits = _FREE
    bullets: LengthLimits = _FREE
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    language: str | None = None
    markdown: bool = False

    def __post_init__(self) -> None:
        """Reject limits that no text can satisfy."""
        for name in ("words", "sentences", "characters", "paragraphs", "bullets"):
            least, most = getattr(self, name)
            if min(least or 0, most or 0) < 0 or (least is not None and most is not None and least > most):
                msg = f"no text has at least {least} and at most {most} {name}"
                raise ValueError(msg)
        if not all(_folded(phrase) for phrase in (*self.required, *self.forbidden)):
            msg = "a required or forbidden phrase must not be blank"
            raise ValueError(msg)
        if self.language is not None and self.language not in languages():
            msg = f'the language {self.language!r} cannot be detected: use an ISO 639-1 code such as "en"'
            raise ValueError(msg)

    @property
    def id(self) -> str:
        """Name and version of the rules. Each change that may alter a reading changes the version."""
        return "text/1"

    def read(self, response: Response) -> Reading:
        """Read one reply, strictly and leniently."""
        if response.refusal:
            return _nothing("refusal")
        cleaned = clean(response.text)
        whole = cleaned.text.strip()
        if not whole:
            return _nothing("empty" if cleaned.reasoning is None else "think_block", cleaned.reasoning)
        core, codes = unwrap(whole)
        plain = self._plain(core)
        if is_refusal(whole) or is_refusal(plain):
            return _nothing("refusal", cleaned.reasoning)
        if response.truncated:
            return _nothing("truncated", cleaned.reasoning)
        if not _WORD.search(plain) or _asks_for_the_text(plain):
            return _nothing("no_answer", cleaned.reasoning)
        if plain != core:
            codes.add("markdown")
        if cleaned.reasoning is not None:
            codes.add("think_block")
        if cleaned.special_token:
            codes.add("special_token")
        codes |= self._broken(core, plain)
        if not codes:
            text = response.text.strip()
            return Reading(text, text, compliant=True)
        return Reading(None, plain, compliant=False, violations=_ordered(codes), reasoning=cleaned.reasoning)

    def problem(self, text: str) -> str | None:
        """Return the violations of `text`, separated by commas; `None` without violations."""
        reading = self.read(Response(text=text))
        return None if reading.compliant else ", ".join(reading.violations)

    def _plain(self, core: str) -> str:
        """Remove the markup that this contract does not allow."""
        if self.markdown:
            return core
        plain = without_markup(core)
        return plain if any(limit is not None for limit in self.bullets) else without_bullets(plain)

    def _broken(self, core: str, plain: str) -> set[str]:
        """Return the violated limits and phrases."""
        codes = (
            self.words.codes(words(plain))
            | self.sentences.codes(len(sentences(plain)))
            | self.characters.codes(len(plain))
            | self.paragraphs.codes(paragraphs(plain))
            | self.bullets.codes(bullets(core))
        )
        if self.required or self.forbidden:
            folded = _folded(plain)
            if not all(_folded(phrase) in folded for phrase in self.required):
                codes.add("missing_phrase")
            if any(_folded(phrase) in folded for phrase in self.forbidden):
                codes.add("forbidden_phrase")
        if self.language is not None and is_other(plain, self.language):
            codes.add("wrong_language")
        return codes


def _nothing(code: str, reasoning: str | None = None) -> Reading:
    return Reading(None, None, compliant=False, violations=(code,), reasoning=reasoning)


def _ordered(codes: set[str]) -> tuple[str, ...]:
    return tuple(sorted(codes, key=_ORDER.__getitem__))


def _folded(text: str) -> str:
    return _SPACES.sub(" ", text.casefold()).strip()


def _asks_for_the_text(text: str) -> bool:
    """Return whether the reply asks for the text to summarize."""
    return len(text) <= 2 * _ASKS_WITHIN and _ASKS.search(text, 0, _ASKS_WITHIN) is not None


CONTRACT = TextContract
