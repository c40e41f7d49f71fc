"""Whether a reply declines to answer."""

from __future__ import annotations

import re

_HEAD = 600
"""A refusal says so early; what a long answer quotes later is not one."""

_APOLOGY = r"(?:sorry|apologi[sz]e|apologies|regret|unfortunately)"
_CANNOT = r"(?:can(?:no|['’]?)t|can not|unable|not able|won['’]?t|not)"
_UNABLE = (
    r"(?:can(?:no|['’]?)t|can not|won['’]?t|will not|do not|don['’]t|refuse to|must decline|have to decline|"
    r"(?:am|['’]m) (?:not able to|unable to|not capable|not comfortable))"
)
_TASKS = (
    r"(?:assist|help|answer|provide|comply|fulfil|classif|categor|label|determine|respond|engage|support|discuss|offer|"
    r"generate|create|write|participate|give|share|describe|judge|process|complete|make|"
    r"have (?:\w+ ){0,2}(?:personal|opinion|feeling|experience|preference|belief))"
)
_PERSONAL = r"(?:individual|person|personal|respondent|opinion|circumstances)"
_REFUSALS = re.compile(
    rf"\bi(?:['’]m| am)? (?:\w+ ){{0,3}}{_APOLOGY}\b.{{0,80}}?\b{_CANNOT}\b"
    rf"|\bi(?: am|['’]m)? ?(?:\w+ ){{0,2}}?{_UNABLE} (?:\w+ ){{0,3}}?{_TASKS}"
    r"|\bas an? (?:ai|language model|artificial|large language)\b"
    r"|\b(?:cannot|can['’]t|can not|unable to) be (?:answered|determined|classified)"
    r"|\b(?:is|are|be) subjective\b"
    rf"|\b(?:depends?|dependent|vary|varies) (?:\w+ ){{0,3}}(?:the |each |one['’]s |your |a )?{_PERSONAL}"
    r"|\bi (?:decline|refuse|must decline)\b"
    r"|\bnot (?:appropriate|able|possible) (?:for me )?to (?:answer|classif|provide|assist|help)"
    r"|\b(?:against|violates?) (?:my|our|the) (?:\w+ ){0,2}(?:guidelines|policy|policies|programming)"
)


def is_refusal(text: str) -> bool:
    """Whether `text` declines, by what it says in its first lines."""
    return _REFUSALS.search(text[:_HEAD].casefold()) is not None
