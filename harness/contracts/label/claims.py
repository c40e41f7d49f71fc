"""Classify each mention of a label: answered, argued for, denied, hedged, or only mentioned."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from harness.contracts.label import vocabulary as v
from harness.contracts.label.answer_position import is_grounded, is_verdict, slot
from harness.contracts.label.context import Context, clause_of, context_of
from harness.contracts.label.mentions import Mention
from harness.contracts.label.negation import conditional, denied, hedged

_SHORT_KEY = 4
_NEAR = 6


class ClaimKind(IntEnum):
    """Strength of a mention, weakest first."""

    IGNORED = 0
    """Quoted input, a definition, an example, a question, a confidence score."""
    LISTED = 1
    """One of the choices, repeated."""
    PLAIN = 2
    """Named in running text."""
    DENIED = 3
    HEDGED = 4
    VERDICT = 5
    """“This is a technical issue”: an answer if nothing stronger follows, otherwise a contradiction."""
    SLOT = 6
    """In an answer position: alone on its line, after “Category:”, after “the answer is”."""


class Claim(NamedTuple):
    """A mention and its strength."""

    mention: Mention
    kind: ClaimKind
    final: bool = False
    """Introduced as final: “Final answer: …”."""
    verdict: bool = False
    """A denied or hedged mention that would otherwise be a verdict."""
    key: bool = False
    """After an explicit key, “Category: …”, rather than alone on a line."""


def judge(text: str, folded: str, mention: Mention, *, opening: bool) -> Claim:
    """Classify a mention by the words around it. `opening`: only wrapping precedes it in the whole reply."""
    context = context_of(text, folded, mention, opening=opening)
    if _is_marked_up(context.line):
        return Claim(mention, ClaimKind.SLOT, final=True, key=True)
    if context.quoted and '"' in context.rest:
        return Claim(mention, ClaimKind.PLAIN)
    if context.led and not context.tokens and not context.rest and not context.line.endswith(v.DENYING_ENDS):
        return Claim(mention, ClaimKind.SLOT)  # alone on its line, the most common case
    verdict = is_verdict(context)
    aside = _aside(context)
    if aside is not None:
        return Claim(mention, aside, verdict=verdict)
    clause = clause_of(context.tokens)
    doubt = _doubt(context, clause, verdict=verdict)
    return _affirmed(context, clause, verdict=verdict) if doubt is None else doubt


def _is_marked_up(line: str) -> bool:
    r"""`\boxed{X}`, `<answer>X</answer>`."""
    return ("boxed" in line and v.BOXED.search(line) is not None) or (
        ">" in line[-6:] and v.ANSWER_TAG.search(line) is not None
    )


def _doubt(context: Context, clause: list[str], *, verdict: bool) -> Claim | None:
    mention, tokens = context.mention, context.tokens
    if denied(context, clause):
        return Claim(mention, ClaimKind.DENIED, verdict=verdict)
    if context.following[1:2] == ["would"] or (context.goes_on and v.WOULD_IF.match(context.rest)):
        return Claim(mention, ClaimKind.IGNORED)
    if conditional(clause) or ("if" in tokens and "were" in tokens):
        return Claim(mention, ClaimKind.HEDGED)
    if hedged(context, clause):
        rival = tokens[-1:] in (["also"], [":"]) or (context.goes_on and v.MAYBE.match(context.rest) is not None)
        return Claim(mention, ClaimKind.HEDGED, verdict=verdict or rival)
    return None


def _affirmed(context: Context, clause: list[str], *, verdict: bool) -> Claim:
    mention, tokens, form = context.mention, context.tokens, context.mention.form
    answers, key = slot(context)
    if answers:
        return Claim(mention, ClaimKind.SLOT, final=not v.FINAL.isdisjoint(tokens), key=key)
    turn = not clause and tokens[-1:] != [] and tokens[-1] in v.TURNS  # “not billing but technical”
    if (verdict or turn) and (not form.common or (context.ends and not form.bare)):
        # a verdict about another subject is not an answer, but makes the answer doubtful
        grounded = turn or context.goes_on or is_grounded(context)
        return Claim(mention, ClaimKind.VERDICT) if grounded else Claim(mention, ClaimKind.HEDGED, verdict=True)
    return _leaning(context)


def _leaning(context: Context) -> Claim:
    """Classify running text that can still contradict another label: a heading, “… - X”, “is a X move”."""
    form, mention, tokens = context.mention.form, context.mention, context.tokens
    if context.led and context.exact and form.text.isupper() and not form.bare:
        return Claim(mention, ClaimKind.VERDICT, verdict=True)
    leading = context.led and context.exact and not form.text.istitle() and not form.bare
    own_line = context.alone and (len(tokens) < _SHORT_KEY or tokens[-1] in v.POINTERS)
    value = context.text[0] in "{[" and context.emphasised
    if leading or own_line or value:
        return Claim(mention, ClaimKind.HEDGED, verdict=True)
    described = tokens[-1:] in (["a"], ["an"]) and not v.COPULA.isdisjoint(tokens[-4:-1])
    return Claim(mention, ClaimKind.PLAIN, verdict=described)


def _aside(context: Context) -> ClaimKind | None:
    """Detect mentions that claim nothing: input, definition, example, question, confidence, list of choices."""
    by_key = _by_key(context.tokens)
    if by_key is not None:
        return by_key
    tail = context.tokens[-_NEAR:]
    if "between" in tail or ("one" in tail and "of" in tail and v.COPULA.isdisjoint(context.tokens)):
        return ClaimKind.LISTED
    if _is_defined(context) or tail[-2:] == ["out", "of"] or context.line.endswith(v.EXAMPLES):
        return ClaimKind.IGNORED
    question, stop = context.rest.find("?"), context.rest.find(".")
    if question >= 0 and (stop < 0 or question < stop):
        return (
            ClaimKind.HEDGED if context.led and not context.rest[:question].strip(v.WRAP_RIGHT) else ClaimKind.IGNORED
        )
    if not v.GENERIC.isdisjoint(tail) and not v.ASSOCIATES.isdisjoint(tail):
        return ClaimKind.PLAIN
    return None


def _is_defined(context: Context) -> bool:
    """“the word X”, “X refers to …”, “X confidence”."""
    first = context.following[0] if context.following else ""
    if first in v.DEFINES:
        return not (first == "describes" and context.led)
    if first in v.CONFIDENCE and not context.led:
        return True
    return context.tokens[-1:] != [] and context.tokens[-1] in v.MENTIONS


def _by_key(tokens: list[str]) -> ClaimKind | None:
    """Classify by the key before a colon: “Text: …”, “Confidence: …”, “Options: …”."""
    if ":" not in tokens:
        return None
    colon = len(tokens) - 1 - tokens[::-1].index(":")
    head = _key(tokens[:colon])
    if not head or tokens[colon + 1 : colon + 2] in (["is"], ["was"], ["can"], ["should"]):
        return None
    short = len(head) <= _SHORT_KEY
    if short and not v.CONFIDENCE.isdisjoint(head):
        return ClaimKind.IGNORED
    answers = not v.NOUNS.isdisjoint(head)
    if short and not answers and not v.ECHO_KEYS.isdisjoint(head):
        return ClaimKind.IGNORED
    return ClaimKind.LISTED if not answers and not v.OPTION_KEYS.isdisjoint(head[-8:]) else None


def _key(head: list[str]) -> list[str]:
    """Return the words of the key, after the last comma or brace."""
    for i in range(len(head) - 1, -1, -1):
        if head[i] in (",", "{", ";"):
            return head[i + 1 :]
    return head


def linked(gap: str) -> bool:
    """Return whether this gap joins two mentions into one list: “billing, technical or general”."""
    if v.ITEM_GAP.fullmatch(gap):
        return True
    if v.LIST_GAP.match(gap) is None:
        return False
    words = v.TOKEN.findall(gap)
    if all(not word[0].isalnum() or word in v.LIST_WORDS for word in words):
        return True
    joins = not {",", "/", "and", "or"}.isdisjoint(words)
    return joins and all(not word[0].isalnum() or word in v.LIST_WORDS or word in v.CLASS_NOUNS for word in words)
