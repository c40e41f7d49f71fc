"""What a reply claims about each label that it names: answers it, argues for it, denies it, only considers it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from harness.contracts.label import vocabulary as v
from harness.contracts.label.answer_position import is_grounded, is_verdict, slot
from harness.contracts.label.context import Context, clause_of, setting_of
from harness.contracts.label.mentions import Mention
from harness.contracts.label.negation import conditional, denied, hedged

_SHORT_KEY = 4
_NEAR = 6


class ClaimKind(IntEnum):
    """How much a mention says. The order is that of weight."""

    IGNORED = 0
    """Quoted input, a definition, an example, a question, a confidence."""
    LISTED = 1
    """One of the choices, repeated."""
    PLAIN = 2
    """Named in running text."""
    DENIED = 3
    HEDGED = 4
    VERDICT = 5
    """“This is a technical issue”: an answer where nothing stronger is said, a contradiction where something is."""
    SLOT = 6
    """Stands where an answer stands: alone on its line, after “Category:”, after “the answer is”."""


class Claim(NamedTuple):
    """One mention and what it says."""

    mention: Mention
    kind: ClaimKind
    final: bool = False
    """Announced as the last word: “Final answer: …”."""
    verdict: bool = False
    """What is denied or hedged would otherwise have been a verdict."""
    key: bool = False
    """After an explicit key, “Category: …”, rather than alone on a line."""


def judge(text: str, folded: str, mention: Mention, *, opening: bool) -> Claim:
    """Weigh a mention by the words around it. `opening`: only wrapping stands before it in the whole reply."""
    setting = setting_of(text, folded, mention, opening=opening)
    if _is_marked_up(setting.line):
        return Claim(mention, ClaimKind.SLOT, final=True, key=True)
    if setting.quoted and '"' in setting.rest:
        return Claim(mention, ClaimKind.PLAIN)
    if setting.led and not setting.tokens and not setting.rest and not setting.line.endswith(v.DENYING_ENDS):
        return Claim(mention, ClaimKind.SLOT)  # a line of its own, the commonest case
    verdict = is_verdict(setting)
    aside = _aside(setting)
    if aside is not None:
        return Claim(mention, aside, verdict=verdict)
    clause = clause_of(setting.tokens)
    doubt = _doubt(setting, clause, verdict=verdict)
    return _affirmed(setting, clause, verdict=verdict) if doubt is None else doubt


def _is_marked_up(line: str) -> bool:
    r"""`\boxed{X}`, `<answer>X</answer>`."""
    return ("boxed" in line and v.BOXED.search(line) is not None) or (
        ">" in line[-6:] and v.ANSWER_TAG.search(line) is not None
    )


def _doubt(setting: Context, clause: list[str], *, verdict: bool) -> Claim | None:
    mention, tokens = setting.mention, setting.tokens
    if denied(setting, clause):
        return Claim(mention, ClaimKind.DENIED, verdict=verdict)
    if setting.following[1:2] == ["would"] or (setting.goes_on and v.WOULD_IF.match(setting.rest)):
        return Claim(mention, ClaimKind.IGNORED)
    if conditional(clause) or ("if" in tokens and "were" in tokens):
        return Claim(mention, ClaimKind.HEDGED)
    if hedged(setting, clause):
        rival = tokens[-1:] in (["also"], [":"]) or (setting.goes_on and v.MAYBE.match(setting.rest) is not None)
        return Claim(mention, ClaimKind.HEDGED, verdict=verdict or rival)
    return None


def _affirmed(setting: Context, clause: list[str], *, verdict: bool) -> Claim:
    mention, tokens, form = setting.mention, setting.tokens, setting.mention.form
    answers, key = slot(setting)
    if answers:
        return Claim(mention, ClaimKind.SLOT, final=not v.FINAL.isdisjoint(tokens), key=key)
    turn = not clause and tokens[-1:] != [] and tokens[-1] in v.TURNS  # “not billing but technical”
    if (verdict or turn) and (not form.common or (setting.ends and not form.bare)):
        # a verdict on something else is no answer, but makes one doubtful
        grounded = turn or setting.goes_on or is_grounded(setting)
        return Claim(mention, ClaimKind.VERDICT) if grounded else Claim(mention, ClaimKind.HEDGED, verdict=True)
    return _leaning(setting)


def _leaning(setting: Context) -> Claim:
    """Running text can still tell against another label: a heading, a line of its own, “… - X”, “is a X move”."""
    form, mention, tokens = setting.mention.form, setting.mention, setting.tokens
    if setting.led and setting.exact and form.text.isupper() and not form.bare:
        return Claim(mention, ClaimKind.VERDICT, verdict=True)
    leading = setting.led and setting.exact and not form.text.istitle() and not form.bare
    own_line = setting.alone and (len(tokens) < _SHORT_KEY or tokens[-1] in v.POINTERS)
    value = setting.text[0] in "{[" and setting.emphasised
    if leading or own_line or value:
        return Claim(mention, ClaimKind.HEDGED, verdict=True)
    described = tokens[-1:] in (["a"], ["an"]) and not v.COPULA.isdisjoint(tokens[-4:-1])
    return Claim(mention, ClaimKind.PLAIN, verdict=described)


def _aside(setting: Context) -> ClaimKind | None:
    """A mention that is neither claim nor denial: input, definition, example, question, confidence, list of choices."""
    by_key = _by_key(setting.tokens)
    if by_key is not None:
        return by_key
    tail = setting.tokens[-_NEAR:]
    if "between" in tail or ("one" in tail and "of" in tail and v.COPULA.isdisjoint(setting.tokens)):
        return ClaimKind.LISTED
    if _is_defined(setting) or tail[-2:] == ["out", "of"] or setting.line.endswith(v.EXAMPLES):
        return ClaimKind.IGNORED
    question, stop = setting.rest.find("?"), setting.rest.find(".")
    if question >= 0 and (stop < 0 or question < stop):
        return (
            ClaimKind.HEDGED if setting.led and not setting.rest[:question].strip(v.WRAP_RIGHT) else ClaimKind.IGNORED
        )
    if not v.GENERIC.isdisjoint(tail) and not v.ASSOCIATES.isdisjoint(tail):
        return ClaimKind.PLAIN
    return None


def _is_defined(setting: Context) -> bool:
    """“the word X”, “X refers to …”, “X confidence”."""
    first = setting.following[0] if setting.following else ""
    if first in v.DEFINES:
        return not (first == "describes" and setting.led)
    if first in v.CONFIDENCE and not setting.led:
        return True
    return setting.tokens[-1:] != [] and setting.tokens[-1] in v.MENTIONS


def _by_key(tokens: list[str]) -> ClaimKind | None:
    """What the key before a colon makes of the mention: “Text: …”, “Confidence: …”, “Options: …”."""
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
    """The words of the key itself, after the last comma or brace before it."""
    for i in range(len(head) - 1, -1, -1):
        if head[i] in (",", "{", ";"):
            return head[i + 1 :]
    return head


def linked(gap: str) -> bool:
    """Whether two mentions with this between them are members of one list: “billing, technical or general”."""
    if v.ITEM_GAP.fullmatch(gap):
        return True
    if v.LIST_GAP.match(gap) is None:
        return False
    words = v.TOKEN.findall(gap)
    if all(not word[0].isalnum() or word in v.LIST_WORDS for word in words):
        return True
    joins = not {",", "/", "and", "or"}.isdisjoint(words)
    return joins and all(not word[0].isalnum() or word in v.LIST_WORDS or word in v.CLASS_NOUNS for word in words)
