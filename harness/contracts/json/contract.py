"""The JSON contract: read a reply that must be JSON of a given schema.

`strict` is the value that `json.loads` and the schema accept. `lenient` is the value that a careful reader would write
down; it is `None` if that reader would have to guess. Details: docs/reading.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.contracts._cleanup import CleanedReply, clean
from harness.contracts._refusal import is_refusal
from harness.contracts.json.coerce import CoercedValue, Schema
from harness.contracts.json.extract import PIECES, JsonSpan, complete_members, fence_before, pieces
from harness.contracts.json.repair import MISSING, loads, same
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Reading, Response

_WORD = re.compile(r"[^\W_]")
_FENCE_AFTER = re.compile(r"\s{0,20}+(?:```|~~~)")
_SCALAR_FENCE = re.compile(r"(?:```|~~~)(?:[a-zA-Z]{1,10}\n)?")
_QUOTES = frozenset("\"'“”‘’«»")
_BRACKETS = frozenset("{[")
_MARKS = frozenset("*_#`")
_FINAL = re.compile(r"\bfinal\s+(?:answer|json|output|result|version|response|object)\b", re.IGNORECASE)
_NEAR = 200
_ORDER = {code: place for place, code in enumerate(VIOLATIONS)}


@dataclass(frozen=True)
class JsonContract:
    """JSON that satisfies `schema` (2020-12 unless it says otherwise), and nothing around it."""

    schema: Mapping[str, Any] = field(hash=False)
    _schema: Schema = field(init=False, repr=False, compare=False)
    _text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Reject an invalid schema, and compile it."""
        object.__setattr__(self, "_schema", Schema(self.schema))
        object.__setattr__(self, "_text", json.dumps(self.schema, sort_keys=True, default=dict))

    @property
    def id(self) -> str:
        """Name and version of the rules. Each change that may alter a reading changes the version."""
        return "json/2"

    def problem(self, value: Any) -> str | None:
        """Describe on one line where `value` violates the schema; `None` if `value` satisfies it."""
        return self._schema.problem(value)

    def read(self, response: Response) -> Reading:
        """Read one reply, strictly and leniently."""
        reply = response.text
        strict = loads(reply)
        if strict is None:
            return _reading(_ExtractedJson({"no_answer"}))
        if strict is not MISSING and self._schema.accepts(strict):
            return Reading(strict, strict, compliant=True)
        if response.refusal:
            return _reading(_ExtractedJson({"refusal"}))
        quoted = isinstance(strict, str) and not self._schema.takes_text and not _BRACKETS.isdisjoint(strict)
        parsed, reasoning = self._lenient(strict if quoted else reply, truncated=response.truncated)
        if response.truncated:
            parsed.codes.add("truncated")
        if quoted and parsed.value is not MISSING:
            parsed.codes.add("quoted")
        if not parsed.codes:  # `json.loads` rejects the invisible characters around the value
            parsed.codes.add("invalid_json")
        return _reading(parsed, reasoning)

    def _lenient(self, reply: str, *, truncated: bool) -> tuple[_ExtractedJson, str | None]:
        """Read the reply without control tokens and reasoning, unless they are inside the JSON, where they are data."""
        cleaned = clean(reply)
        if (cleaned.special_token or cleaned.reasoning is not None) and self._is_data(reply):
            cleaned = CleanedReply(reply)
        if not cleaned.text.strip():
            return _ExtractedJson({"empty" if cleaned.reasoning is None else "think_block"}), cleaned.reasoning
        parsed = self._read(cleaned.text, truncated=truncated)
        if parsed.source not in reply:
            return self._read(reply, truncated=truncated), None
        if parsed.value is not MISSING:
            if cleaned.reasoning is not None:
                parsed.codes.add("think_block")
            if cleaned.special_token:
                parsed.codes.add("special_token")
        return parsed, cleaned.reasoning

    def _is_data(self, reply: str) -> bool:
        """Return whether control tokens are inside the JSON's strings."""
        outside, position = [], 0
        for piece in pieces(reply, self._schema.keys, arrays=self._schema.takes_array):
            if piece.value is not MISSING:
                outside.append(reply[position : piece.start])
                position = piece.end
        around = clean("{}".join([*outside, reply[position:]]))
        return not around.special_token and around.reasoning is None

    def _read(self, text: str, *, truncated: bool) -> _ExtractedJson:
        spans = list(pieces(text, self._schema.keys, arrays=self._schema.takes_array))
        if len(spans) == PIECES:
            return _ExtractedJson({"multiple_values"})
        fits = [(piece, self._schema.fit(piece.value)) for piece in spans if piece.value is not MISSING]
        fitting = [(piece, fit) for piece, fit in fits if fit.value is not MISSING]
        if not fitting:
            return self._none_fits(text, spans, fits, truncated=truncated)
        piece, fit = fitting[-1]
        if not _announced(text, spans, piece):
            piece, fit = fitting[0]
            others = [piece for piece in spans if not any(piece is valid for valid, _ in fitting)]
            if not all(same(other.value, fit.value) for _, other in fitting[1:]) or any(
                _contradicts(other, fit.value) for other in others
            ):
                return _ExtractedJson({"multiple_values"})
        return _ExtractedJson(fit.codes | _departures(text, piece), fit.value, text[piece.start : piece.end])

    def _none_fits(
        self, text: str, spans: Sequence[JsonSpan], fits: Sequence[tuple[JsonSpan, CoercedValue]], *, truncated: bool
    ) -> _ExtractedJson:
        """Return the violations of a reply without a usable value."""
        failed = [piece for piece in spans if piece.value is MISSING]
        if failed:
            return self._cut_off(text, failed[-1], alone=len(spans) == 1, truncated=truncated)
        meant = [fit for piece, fit in fits if piece.wanted or piece.fenced]
        if not meant and is_refusal(text):
            return _ExtractedJson({"refusal"})
        return _ExtractedJson((meant or [fit for _, fit in fits])[-1].codes) if fits else self._scalar(text)

    def _cut_off(self, text: str, piece: JsonSpan, *, alone: bool, truncated: bool) -> _ExtractedJson:
        """Read a truncated object without its last, incomplete member; it may still hold every required key."""
        members = complete_members(text, piece.start) if text[piece.start] == "{" and alone else MISSING
        if members is not MISSING:
            fit = self._schema.fit(members)
            if fit.value is not MISSING:
                codes = fit.codes | _departures(text, piece) | {"truncated"}
                return _ExtractedJson(codes, fit.value, text[piece.start :])
        if members is not MISSING or truncated:
            return _ExtractedJson({"truncated"})
        return _ExtractedJson({"refusal" if not piece.wanted and is_refusal(text) else piece.code})

    def _scalar(self, text: str) -> _ExtractedJson:
        """Read a reply without brackets: a JSON string, number or boolean."""
        bare = text.strip()
        fence = _SCALAR_FENCE.match(bare) if bare.endswith(("```", "~~~")) else None
        value = loads(bare[fence.end() : -3] if fence else bare, strict=False)
        if value is None or value is MISSING:
            return _ExtractedJson({"refusal" if is_refusal(text) else "not_json"})
        fit = self._schema.fit(value)
        codes = set(fit.codes)
        if fit.value is not MISSING:
            codes |= {"code_fence"} if fence else set()
        return _ExtractedJson(codes, fit.value)


class _ExtractedJson:
    """The value of one reply (or `MISSING`), the violation codes, and the text that holds the value."""

    def __init__(self, codes: Iterable[str], value: Any = MISSING, source: str = "") -> None:
        self.codes, self.value, self.source = set(codes), value, source


def _reading(parsed: _ExtractedJson, reasoning: str | None = None) -> Reading:
    lenient = None if parsed.value is MISSING else parsed.value
    violations = tuple(sorted(parsed.codes, key=_ORDER.__getitem__))
    return Reading(None, lenient, compliant=False, violations=violations, reasoning=reasoning)


def _announced(text: str, spans: Sequence[JsonSpan], piece: JsonSpan) -> bool:
    """Return whether this is the last span, introduced as the final answer."""
    if piece is not spans[-1]:
        return False
    begin = max(spans[-2].end if len(spans) > 1 else 0, piece.start - _NEAR)
    return _FINAL.search(text, begin, piece.start) is not None


def _contradicts(piece: JsonSpan, value: Any) -> bool:
    """Return whether an invalid span contradicts the valid one: another attempt with other values."""
    if not piece.wanted:
        return False
    if not isinstance(piece.value, dict) or not isinstance(value, dict):
        return True
    return any(key in value and not same(value[key], member) for key, member in piece.value.items())


def _departures(text: str, piece: JsonSpan) -> set[str]:
    """Return the violations around the JSON."""
    codes = {"invalid_json"} if loads(text[piece.start : piece.end]) is MISSING else set()
    begin, end = piece.start, piece.end
    if piece.fenced:
        codes.add("code_fence")
        begin = fence_before(text, begin)
        closing = _FENCE_AFTER.match(text, end)
        end = closing.end() if closing else end
    worded = (_WORD.search(text, 0, begin) is not None, _WORD.search(text, end) is not None)
    codes.update(code for code, there in zip(("preamble", "trailing_text"), worded, strict=True) if there)
    before, after = text[max(0, begin - 3) : begin].strip(), text[end : end + 3].strip()
    if before and after and before[-1] in _QUOTES and after[0] in _QUOTES:
        codes.add("quoted")
    elif not _MARKS.isdisjoint(before[-1:] + after[:1]):
        codes.add("markdown")
    elif after and not worded[1]:
        codes.add("punctuation")
    return codes


CONTRACT = JsonContract
