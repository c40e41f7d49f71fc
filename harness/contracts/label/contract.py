"""The label contract: read a reply to a classification prompt.

`strict` is the value that code gets if it trusts the prompt. `lenient` is the label that a careful reader would write
down; it is `None` if that reader would hesitate. Details: docs/reading.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.contracts._cleanup import CONTROL_TOKEN, CleanedReply, clean, fold
from harness.contracts.label.decision import decide
from harness.contracts.label.mentions import LabelForm, Matcher, Mention, is_number, key
from harness.contracts.violations import VIOLATIONS
from harness.core.types import NOTHING, Reading, Response

_WORD = re.compile(r"[^\W_]")
_DOUBTFUL = re.compile(r"[?？≠¬❌✗✘✖☐🚫]|~~|!=|\[ \]|!\w")
_FENCE = re.compile(r"\A\s*```[\w+-]{0,20}[ \t]*\n")
_TAG_BEFORE = re.compile(r"(?:<[a-zA-Z_]{1,20}>\s{0,4}|\\boxed\s?\{\s?(?:\\[a-z]{4,6}\s?\{)?)[\s(\"']{0,3}\Z")
_TAG_AFTER = re.compile(r"\A\W{0,4}</[a-zA-Z_]{1,20}>")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_QUOTES = frozenset("\"'“”‘’«»„「」『』")
_MARKS = frozenset("*_#`")
_SHORT = 40
_GLUED_LENGTH = 4
_ORDER = {code: place for place, code in enumerate(VIOLATIONS)}


@dataclass(frozen=True)
class LabelContract:
    """Accepts one of `labels` and nothing else. `synonyms` (synonym to label) count leniently, never strictly."""

    labels: tuple[str, ...]
    case_sensitive: bool = True
    synonyms: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)
    _exact: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _matcher: Matcher = field(init=False, repr=False, compare=False)
    _glued: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _keep_tokens: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Reject labels that cannot be distinguished, and compile the rest."""
        labels = tuple(self.labels)
        object.__setattr__(self, "labels", labels)
        _check(labels, self.synonyms, self._same)
        object.__setattr__(self, "_exact", {self._same(label.strip()): label for label in labels})
        object.__setattr__(self, "_matcher", Matcher.of(labels, self.synonyms))
        object.__setattr__(self, "_glued", _glued(labels))
        object.__setattr__(self, "_keep_tokens", any(CONTROL_TOKEN.search(label) for label in labels))

    @property
    def id(self) -> str:
        """Name and version of the rules. Each change that may alter a reading changes the version."""
        return "label/1"

    def read(self, response: Response) -> Reading:
        """Read one reply, strictly and leniently."""
        reply = response.text.strip()
        strict = self._exact.get(self._same(reply))
        if strict is not None:
            return Reading(strict, strict, compliant=True)
        if response.refusal:
            return Reading(None, None, compliant=False, violations=("refusal",))
        cleaned = clean(reply, keep_tokens=self._keep_tokens)
        lenient, codes = self._lenient(cleaned, truncated=response.truncated)
        if response.truncated:
            codes.add("truncated")
        violations = tuple(sorted(codes, key=_ORDER.__getitem__)) if len(codes) > 1 else tuple(codes)
        return Reading(None, lenient, compliant=False, violations=violations, reasoning=cleaned.reasoning)

    def _same(self, text: str) -> str:
        return text if self.case_sensitive else text.casefold()

    def _lenient(self, cleaned: CleanedReply, *, truncated: bool) -> tuple[str | None, set[str]]:
        text = cleaned.text.strip()
        if not text:
            return None, {"think_block"} if cleaned.reasoning is not None else {"empty"}
        if self._glued is not None:
            text = self._glued.sub(r"\1 ", text)
        folded = fold(text)
        mentions = list(self._matcher.find(text, folded))
        chosen = self._dressed(text, mentions)
        if chosen is None:
            outcome = decide(text, folded, mentions, self.labels)
            if isinstance(outcome, set):
                return None, outcome
            chosen = outcome
        if truncated and self._may_go_on(text, chosen):
            return None, set()
        codes = self._departures(text, chosen)
        if cleaned.reasoning is not None:
            codes.add("think_block")
        if cleaned.special_token:
            codes.add("special_token")
        if not codes:  # the remaining characters are neither words nor known marks
            codes.add("punctuation")
        return chosen.form.label, codes

    def _dressed(self, text: str, mentions: Sequence[Mention]) -> Mention | None:
        """Match the label alone, inside any quotation marks, markdown and punctuation."""
        if len(mentions) == 1:
            start, end, _ = mentions[0]
            if end - start + _SHORT < len(text):
                return None
            before, after = text[:start], text[end:]
            if _WORD.search(before) or _WORD.search(after) or _DOUBTFUL.search(before) or _DOUBTFUL.search(after):
                return None
            return mentions[0]
        if mentions or len(text) > _SHORT + 4:
            return None
        bare = text.strip(" \t\n\"'`*_.()[]:")
        if is_number(bare):
            return None
        spellings = (key(bare), key(_CAMEL.sub(" ", bare)))
        form = self._matcher.symbols.get(bare) or next(filter(None, map(self._only_form, spellings)), None)
        return Mention(text.index(bare), text.index(bare) + len(bare), form) if form else None

    def _only_form(self, spelling: str) -> LabelForm | None:
        forms = self._matcher.forms.get(spelling, ())
        return forms[0] if len({form.label for form in forms}) == 1 else None

    def _may_go_on(self, text: str, mention: Mention) -> bool:
        """Return whether a reply truncated right after the label could continue as a longer label."""
        if text[mention.end :].strip():
            return False
        spelled = key(text[mention.start : mention.end])
        return any(other != spelled and other.startswith(spelled) for other in self._matcher.forms)

    def _departures(self, text: str, mention: Mention) -> set[str]:
        """Return the differences between the reply and the bare label, as violation codes."""
        codes = self._spelling(text[mention.start : mention.end], mention.form)
        before, after = text[: mention.start], text[mention.end :]
        fence = "```" in before
        if fence:
            codes.add("code_fence")
            before = _FENCE.sub("", before)
        tag = _TAG_BEFORE.search(before[-60:])
        if tag:
            codes.add("markdown")
            before = before[: len(before) - len(tag[0])]
            after = _TAG_AFTER.sub("", after)
        near = before[-3:].rstrip() + after[:3].strip()
        if not _QUOTES.isdisjoint(before[-1:] + after[:1]):
            codes.add("quoted")
        if not fence and not _MARKS.isdisjoint(near):
            codes.add("markdown")
        if _WORD.search(before):
            codes.add("preamble")
        if _WORD.search(after):
            codes.add("trailing_text")
        elif any(char in ".,;:!()[]。、，！-–—" for char in after if char not in _MARKS) or (
            before[-1:] in ("(", "[") and not tag
        ):
            codes.add("punctuation")
        return codes

    def _spelling(self, written: str, form: LabelForm) -> set[str]:
        if written == form.text and form.own:
            return set()
        if not form.own or fold(written) != fold(form.text):
            return {"label_synonym"}
        return {"wrong_case"} if self.case_sensitive else set()


def _glued(labels: Sequence[str]) -> re.Pattern[str] | None:
    """Match upper-case labels without a space before the next word: “HAWKISHexplanation: …”."""
    capital = [label for label in labels if label.isalpha() and label.isupper() and len(label) >= _GLUED_LENGTH]
    return re.compile(rf"(?<![^\W_])({'|'.join(sorted(capital, key=len, reverse=True))})(?=[a-z])") if capital else None


def _check(labels: Sequence[str], synonyms: Mapping[str, str], same: Callable[[str], str]) -> None:
    if not labels:
        message = "A label contract needs at least one label."
        raise ValueError(message)
    if any(not label.strip() for label in labels):
        message = "A label must not be blank."
        raise ValueError(message)
    label_by_key: dict[str, str] = {}
    for label in labels:
        other = label_by_key.setdefault(same(label.strip()), label)
        if other is not label or list(labels).count(label) > 1:
            message = f"The labels {other!r} and {label!r} cannot be distinguished."
            raise ValueError(message)
    for synonym, label in synonyms.items():
        if label not in labels:
            message = f"The synonym {synonym!r} stands for {label!r}, which is not one of the labels."
            raise ValueError(message)
        if not synonym.strip() or same(synonym.strip()) in label_by_key:
            message = f"The synonym {synonym!r} is blank or is itself a label."
            raise ValueError(message)


CONTRACT = LabelContract
