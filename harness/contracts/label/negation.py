"""Detect negation, conditions and hedges around a mention: “not X”, “if it were X”, “it could be X”."""

from __future__ import annotations

import re

from harness.contracts.label import vocabulary as v
from harness.contracts.label.context import Context

_HYPHENATED = re.compile(r"[^\W_]-\Z")
_HYPHENATED_DENIAL = re.compile(r"\b(?:non|un|anti|in|not)-\Z")
_NOT_DENIED = frozenset({"doubt", "question", "only", "sure", "certain"})
_BACKING_OFF = frozenset({"far", "opposite", "free", "devoid"})
_DENIERS = v.NEGATORS | _BACKING_OFF | {"rather", "other", "more", "less", "instead", "ruling"}
_UNSURE = frozenset({"not", "hard", "difficult", "isn't", "wouldn't"})
_HEDGERS = v.HEDGES | _UNSURE


def denied(context: Context, clause: list[str]) -> bool:
    """Return whether words before or after the label deny it."""
    line, rest = context.line, context.rest
    if (context.goes_on and v.WRONG.match(rest)) or (rest[:1] in v.MAY_SCORE and v.SCORE.match(rest)):
        return True
    if line.endswith("-") and _HYPHENATED.search(line):
        return _HYPHENATED_DENIAL.search(line) is not None
    if line.endswith(v.DENYING_ENDS):
        return True
    if _DENIERS.isdisjoint(clause) and "n't" not in line and "n’t" not in line:
        return False
    return any(_denies(clause, i) for i in range(len(clause)))


def _denies(clause: list[str], i: int) -> bool:
    token, following = clause[i], clause[i + 1 : i + 3]
    after = following[0] if following else ""
    if token in v.NEGATORS or token.endswith(("n't", "n’t")):
        aside = token in ("no", "wrong", "incorrect") and after == ","
        return not aside and after not in _NOT_DENIED
    if token in ("rather", "other", "more", "less"):
        return "than" in following
    if token == "instead":
        return after == "of"
    return (token in _BACKING_OFF and after in ("from", "of")) or (token == "ruling" and after == "out")


def conditional(clause: list[str]) -> bool:
    """Return whether the label depends on a condition; “if I had to choose” is no condition."""
    return any(token in v.CONDITIONS and clause[i + 1 : i + 4] not in v.NO_CONDITIONS for i, token in enumerate(clause))


def hedged(context: Context, clause: list[str]) -> bool:
    """Return whether the label is only a possibility."""
    if (context.goes_on and v.MAYBE.match(context.rest)) or clause[-1:] == ["also"]:
        return True
    return not _HEDGERS.isdisjoint(clause) and any(
        _hedges(token, clause[i + 1 : i + 2]) for i, token in enumerate(clause)
    )


def _hedges(token: str, after: list[str]) -> bool:
    if token in v.HEDGES:
        return not (token == "some" and after == ["of"])
    return token in _UNSURE and after in (["sure"], ["certain"], ["to"])
