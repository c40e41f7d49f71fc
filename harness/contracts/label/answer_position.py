"""Detect mentions in an answer position (“Category: X”), and mentions that the text argues for."""

from __future__ import annotations

from harness.contracts.label import vocabulary as v
from harness.contracts.label.context import Context

_REACH = 12
_NEAR = 8
_SHORT_KEY = 4
_HEADING = 3
_ARTICLES = frozenset({"a", "an"})
_PERSONAL = frozenset({"you", "your", "our", "we"})


def is_verdict(context: Context) -> bool:
    """“is X”, “indicates a X stance”, “X sentiment”, “considered X”."""
    tokens = context.tokens
    if not v.NOTS.isdisjoint(tokens):
        tokens = [token for token in tokens if token not in v.NOTS]
    i = _before_fillers(tokens, limit=5)
    last, skipped = (tokens[i] if i >= 0 else ""), tokens[i + 1 :]
    if last.endswith(v.JOINED_COPULA):
        return True
    if context.following and context.following[0] in v.CLASS_NOUNS and not context.rest.startswith((".", ",", ";")):
        return _is_noun_phrase(context.following[0], last, tokens)
    if context.goes_on and (v.RIGHT.match(context.rest) or v.FITS.match(context.rest)):
        return True
    if last in v.COPULA or last in ("falls", "under", "into") or (last == "to" and "belongs" in tokens):
        return context.ends or v.ARTICLES.isdisjoint(skipped)
    if last == "about":
        return context.ends and not skipped and not v.COPULA.isdisjoint(tokens[max(0, i - 2) : i])
    if last in v.PARTICIPLES:
        return i == 0 or tokens[i - 1] not in ("i", "we")
    return last in v.EVIDENCE or last == "as" or "as" in skipped


def _is_noun_phrase(noun: str, last: str, tokens: list[str]) -> bool:
    """“X sentiment” is about the answer. “X problem” is so only after a verb, if not addressed to the customer."""
    if noun in v.NOUNS or len(tokens) <= 1:
        return True
    if last in v.EVIDENCE:
        return not v.TEXTS.isdisjoint(tokens) and _PERSONAL.isdisjoint(tokens)
    return (last in v.COPULA or last in v.PARTICIPLES) and _PERSONAL.isdisjoint(tokens)


def is_grounded(context: Context) -> bool:
    """Return whether the statement is about the text (“this is positive”), not about its contents."""
    form = context.mention.form
    if context.exact and (form.text.isupper() or not form.text.isalpha()):
        return True
    if not context.line.isascii():  # the words are mostly English
        return True
    words = {*context.tokens, *context.following[:1]}
    return not (v.TEXTS.isdisjoint(words) and v.NOUNS.isdisjoint(words) and v.PARTICIPLES.isdisjoint(words))


def _before_fillers(tokens: list[str], *, limit: int = 240, brackets: tuple[str, ...] = ()) -> int:
    """Return the position of the last word that is no filler, or -1."""
    i = len(tokens) - 1
    while i >= 0 and limit and (tokens[i] in v.FILLERS or tokens[i] in brackets or _is_adverb(tokens[i])):
        i -= 1
        limit -= 1
    return i


def _is_adverb(token: str) -> bool:
    return token.endswith("ly") and token not in v.NO_ADVERBS


def slot(context: Context) -> tuple[bool, bool]:
    """Return whether the mention is in an answer position, and whether an explicit key precedes it."""
    form, tokens, terminated = context.mention.form, context.tokens, context.terminated
    if context.led and not context.announced:
        return terminated or (form.own and not form.text[-1].isalnum()), False
    if _has_pointer(context):
        return terminated and _is_key(tokens[:-1], announced=context.announced), True
    if len(tokens) < _HEADING and _is_heading(context) and context.emphasised and "return" not in tokens:
        return True, False
    if all(token in v.ACKNOWLEDGE for token in tokens):
        return terminated, False
    i = _before_fillers(tokens, brackets=("(", "[", ":"))
    if i < 0 or (i == 0 and tokens[0] in v.NOUNS):
        named = not v.NOUNS.isdisjoint(tokens)
        return terminated and (named or v.SURE.issuperset(tokens)), named
    return (terminated or not form.common) and _is_predicated(tokens, i, ended=terminated), True


def _has_pointer(context: Context) -> bool:
    """Detect a colon or an arrow before the label; a dash counts after a known key or in a short heading."""
    tokens = context.tokens
    last = tokens[-1] if tokens else ""
    if last in v.COLONS:
        return True
    if last not in v.DASHES or len(tokens) < 2:
        return False
    return tokens[-2] in v.NOUNS or (last != "|" and len(tokens) <= _HEADING + 1 and _is_heading(context))


def _is_heading(context: Context) -> bool:
    return context.alone or context.rest.lstrip(v.WRAP_RIGHT).startswith((":", ".", ";"))


def _is_key(head: list[str], *, announced: bool) -> bool:
    if not head or head[-1] in v.ASIDES:
        return False
    if not v.NOUNS.isdisjoint(head[-_NEAR:]) or any(v.CLASSIFY.match(token) for token in head[-6:]):
        return True
    return announced or len(head) <= _SHORT_KEY or head[-1] in ("is", "as") or "say" in head[-3:]


def _is_predicated(tokens: list[str], i: int, *, ended: bool) -> bool:
    """“The answer is X”, “classified as X”, “I would choose X”, “falls under X”."""
    last, skipped, before = tokens[i], tokens[i + 1 :], tokens[max(0, i - _REACH) : i]
    if last.endswith(v.JOINED_COPULA):
        return any(noun in last for noun in v.JOINED_NOUNS)
    if last in v.COPULA:
        named = not v.NOUNS.isdisjoint(before[-_NEAR:]) or last == "represents"
        return named and (ended or _ARTICLES.isdisjoint(skipped))
    if last == "to" and "be" not in skipped and "as" not in skipped:
        return not v.ROUTES.isdisjoint(before)
    if last in v.INTO:
        return not v.FALLS.isdisjoint(before)
    if last in ("as", "to") or "as" in skipped:
        return any(v.CLASSIFY.match(verb) for verb in (*before, last, *skipped))
    return _is_chosen(last, before)


def _is_chosen(last: str, before: list[str]) -> bool:
    if last in ("with", "for"):
        return before[-1:] != [] and before[-1] in v.GOES
    if last in v.PARTICIPLES and not v.COPULA.isdisjoint(before[-3:]):
        return True
    if last in v.CHOOSE:
        return len(before) <= 1 or not v.SUBJECTS.isdisjoint(before[-4:])
    if last in ("it", "this", "that", "text", "message", "ticket", "sentence"):
        return any(v.CLASSIFY.match(verb) or verb == "call" for verb in before[-3:])
    return False
