"""Decide from all claims which label a reply gives, or why the reply gives no label."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from harness.contracts._refusal import is_refusal
from harness.contracts.label.claims import Claim, ClaimKind, judge, linked
from harness.contracts.label.context import AFTER, BEFORE
from harness.contracts.label.mentions import Mention

_WORD = re.compile(r"[^\W_]")
_SHORT = 40
_UNANSWERED = re.compile(
    r"(?:\A|\n|[{,]\s?\")[\W_]{0,6}(?:final )?"
    r"(?:answer|label|category|class|classification|sentiment|stance|intent|topic)[\W_]{0,4}[:=]"
    r"[^\S\n]*[\W_]{0,4}([^\W_][^\s,.;{}]*(?: [^\s,.;{}]+){0,2})[ \t]*(?:\n|\Z|[.,;}](?=\s|\Z))"
)
_WITHDRAWN = re.compile(
    r"(?:cannot|can['’]t|could not) be (?:classif|categor|label)\w{0,6} (?:in|into|as|under) (?:this|that|any|either)\b"
)
_NO_VALUE = frozenset({"sure", "yes", "explanation", "okay", "certainly", "well"})
_NEAR = 160
_MANY = 40
_REMEMBERED = 1000
_LINK = 32
_BULLET = 8


def decide(text: str, folded: str, mentions: Sequence[Mention], labels: Sequence[str]) -> Mention | set[str]:
    """Return the mention that is the answer, or the violation codes if there is no answer."""
    if not mentions:
        return _unanswered(text)
    first = mentions[0].start
    opening = _WORD.search(text[:first]) is None if first < 200 else False
    claims = _judge_all(text, folded, mentions, opening=opening)
    if len(claims) > 1:
        claims = _with_lists(folded, claims, labels)
    slots = [claim for claim in claims if claim.kind is ClaimKind.SLOT]
    if slots:
        return _from_slots(folded, slots, claims)
    return _from_verdicts(text, folded, claims, labels)


def _judge_all(text: str, folded: str, mentions: Sequence[Mention], *, opening: bool) -> list[Claim]:
    if len(mentions) <= _MANY:
        first = mentions[0]
        return [judge(text, folded, mention, opening=opening and mention is first) for mention in mentions]
    claims: list[Claim] = []
    claim_by_text: dict[tuple[str, int], Claim] = {}  # a looping model repeats the same text
    for i, mention in enumerate(mentions):
        start, end, _ = mention
        around = (text[max(0, start - BEFORE) : end + AFTER], min(start, BEFORE))
        known = claim_by_text.get(around) if start > BEFORE else None
        claim = known._replace(mention=mention) if known else judge(text, folded, mention, opening=opening and i == 0)
        claims.append(claim)
        if len(claim_by_text) < _REMEMBERED:
            claim_by_text[around] = claim
    return claims


def _labels(claims: Iterable[Claim]) -> set[str]:
    return {claim.mention.form.label for claim in claims}


def _from_slots(folded: str, slots: Sequence[Claim], claims: Sequence[Claim]) -> Mention | set[str]:
    named = _labels(slots)
    if len(named) > 1:
        last = slots[-1]
        label = last.mention.form.label
        rivals = [claim for claim in slots if claim.mention.form.label != label]
        settled = last.final and last.key and all(claim.key and not claim.final for claim in rivals)
        after = [
            c
            for c in claims
            if c.mention.start > last.mention.start and c.kind >= ClaimKind.HEDGED and c.mention.form.label != label
        ]
        if not settled or after:
            return {"multiple_labels"}
        return last.mention
    if _unknown_slot(folded, claims):
        return {"unknown_label"}
    if " be " in folded and _WITHDRAWN.search(folded, slots[-1].mention.end):
        return {"negated"}
    label = slots[0].mention.form.label
    conflicts = [claim for claim in claims if _contradicts(claim, label) or _alternative(folded, claim, slots[0])]
    first = slots[0].mention.start
    if any(c.mention.start < first and _same_sentence(folded, c.mention.end, first) for c in conflicts):
        return {"multiple_labels"}
    if conflicts and conflicts[-1].mention.start > slots[-1].mention.start:
        return {"multiple_labels"} if conflicts[-1].mention.form.label != label else {"negated"}
    return slots[0].mention


def _alternative(folded: str, claim: Claim, slot: Claim) -> bool:
    """“technical, or perhaps billing”."""
    other = claim.mention.form.label != slot.mention.form.label
    return other and claim.kind is ClaimKind.HEDGED and _same_sentence(folded, slot.mention.end, claim.mention.start)


def _same_sentence(folded: str, start: int, end: int) -> bool:
    gap = folded[start : min(end, start + _NEAR)]
    return 0 <= end - start < _NEAR and "\n" not in gap and ". " not in gap and "; " not in gap


def _contradicts(claim: Claim, label: str) -> bool:
    other = claim.mention.form.label != label
    if other:
        return claim.kind >= ClaimKind.VERDICT or (claim.kind is ClaimKind.HEDGED and claim.verdict)
    return claim.kind is ClaimKind.DENIED and claim.verdict


def _from_verdicts(text: str, folded: str, claims: Sequence[Claim], labels: Sequence[str]) -> Mention | set[str]:
    verdicts = [claim for claim in claims if claim.kind is ClaimKind.VERDICT]
    named = _labels(verdicts)
    refused = is_refusal(text)
    doubtful = refused or _unknown_slot(folded, claims) or _strange_first_line(text)
    if len(named) == 1 and not doubtful and not any(_rivals(folded, claim, verdicts[0]) for claim in claims):
        return verdicts[0].mention
    if refused:
        return {"refusal"}
    return {"multiple_labels"} if len(named) > 1 else _without_verdict(text, claims, labels)


def _rivals(folded: str, claim: Claim, verdict: Claim) -> bool:
    """Return whether `claim` contradicts a verdict in running text. There, weak claims suffice."""
    label = verdict.mention.form.label
    if claim.kind is ClaimKind.HEDGED or _contradicts(claim, label):
        return True
    if claim.kind is not ClaimKind.PLAIN or claim.mention.form.label == label:
        return False
    return claim.verdict or _same_sentence(folded, verdict.mention.end, claim.mention.start)


def _without_verdict(text: str, claims: Sequence[Claim], labels: Sequence[str]) -> set[str]:
    kinds = {claim.kind for claim in claims}
    if ClaimKind.LISTED in kinds:
        listed = _labels(claim for claim in claims if claim.kind is ClaimKind.LISTED)
        return {"prompt_echo"} if len(listed) == len(labels) else {"multiple_labels"}
    if ClaimKind.HEDGED in kinds:
        possible = _labels(claim for claim in claims if claim.kind is ClaimKind.HEDGED)
        return {"multiple_labels"} if len(possible) > 1 else {"hedged"}
    return {"negated"} if ClaimKind.DENIED in kinds else _unanswered(text)


def _with_lists(folded: str, claims: list[Claim], labels: Sequence[str]) -> list[Claim]:
    """Classify the members of a list (“billing, technical or general”) together: one statement covers all of them."""
    groups: list[list[Claim]] = []
    for claim in claims:
        if groups and _joined(folded, groups[-1][-1], claim):
            groups[-1].append(claim)
        else:
            groups.append([claim])
    if len(groups) == len(claims):
        return claims
    return [claim for group in groups for claim in _list(folded, group, labels)]


def _joined(folded: str, first: Claim, other: Claim) -> bool:
    if other.mention.start - first.mention.end > _LINK or ClaimKind.IGNORED in (first.kind, other.kind):
        return False
    gap = folded[first.mention.end : other.mention.start]
    if "\n" in gap:
        items = first.kind is not ClaimKind.DENIED and _is_item(folded, first) and _is_item(folded, other)
        return items and linked(gap)
    return linked(gap)


def _is_item(folded: str, claim: Claim) -> bool:
    """Return whether the mention is alone on its line, apart from a bullet."""
    start, end, _ = claim.mention
    before = folded[max(0, start - _BULLET) : start].rpartition("\n")[2]
    after = folded[end : end + _BULLET].partition("\n")[0]
    return len(_WORD.findall(before)) < 2 and not _WORD.search(after)


def _list(folded: str, group: list[Claim], labels: Sequence[str]) -> list[Claim]:
    if len(_labels(group)) == 1:
        return group
    head = group[0]
    end = group[-1].mention.end
    after = folded[end : end + 6].lstrip()
    in_a_key = after[:1] in (")", "]") and after[1:].lstrip("*_ ")[:1] in (":", "=", "?")
    every = len(_labels(group)) == len(labels) > 2
    if (head.kind is ClaimKind.SLOT and in_a_key) or (every and (head.key or head.kind is ClaimKind.VERDICT)):
        kind = ClaimKind.LISTED
    elif head.kind >= ClaimKind.VERDICT:
        kind = ClaimKind.SLOT
    else:
        kind = ClaimKind.LISTED if head.kind is ClaimKind.PLAIN else head.kind
    verdict = kind is ClaimKind.HEDGED and any(claim.verdict for claim in group)
    return [Claim(claim.mention, kind, verdict=verdict) for claim in group]


def _strange_first_line(text: str) -> bool:
    """Detect a first line of one or two words before the verdict: perhaps an answer outside the list."""
    line, newline, _ = text[:_SHORT].partition("\n")
    return bool(newline) and line.count(" ") < 2 and not line.rstrip().endswith((":", "!", ","))


def _unknown_slot(folded: str, claims: Sequence[Claim] = ()) -> bool:
    """Whether a key such as “Category:” has a short value that names no label."""
    if ":" not in folded and "=" not in folded:
        return False
    for match in _UNANSWERED.finditer(folded):
        start, end = match.span(1)
        if match[1] in _NO_VALUE or match[1].startswith(("the ", "this ", "based ")):
            continue
        nearest = bisect_left(claims, start, key=_end)
        if nearest == len(claims) or claims[nearest].mention.start > end:
            return True
    return False


def _end(claim: Claim) -> int:
    return claim.mention.end


def _unanswered(text: str) -> set[str]:
    if is_refusal(text):
        return {"refusal"}
    if (len(text) <= _SHORT and text.count(" ") < 4) or _unknown_slot(text.lower()):
        return {"unknown_label"}
    return {"no_answer"}
