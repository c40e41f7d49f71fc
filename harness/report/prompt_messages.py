"""The prompts of an eval for the page: the messages once, and for each case only the part that differs.

A prompt with examples has thousands of characters that are the same for all cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.formatting import visible
from harness.core.types import Case, Message
from harness.report.model import PromptText

_MOST_CHARACTERS = 8_000_000
"""Characters of parts that differ, for all cases of an eval. Beyond it, prompts are left out."""


def for_page(prompts: Sequence[PromptText], cases: Sequence[Case], texts: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """The prompts, and a list per case with its parts of each prompt.

    A prompt is `{"name", "messages": [[role, before, after], ...]}`. `after` is `None` for a message that is the same
    for all cases. Otherwise the message is `before`, the part of the case, `after`. A part that equals the text of the
    case on the page, from `texts`, is left out.
    """
    made: list[Any] = []
    parts: list[list[dict[int, str]]] = [[] for _ in cases]
    for prompt in prompts:
        rendered = [prompt.render(case) for case in cases]
        if not rendered or len({_roles(messages) for messages in rendered}) > 1 or not rendered[0]:
            continue
        messages, own = _split(rendered, texts)
        if sum(len(text) for each in own for text in each.values()) > _MOST_CHARACTERS:
            continue
        made.append({"name": visible(prompt.name), "messages": messages})
        for case_parts, each in zip(parts, own, strict=True):
            case_parts.append(each)
    return made, parts


def _roles(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(message.role for message in messages)


def _split(rendered: Sequence[Sequence[Message]], texts: Sequence[str]) -> tuple[list[Any], list[dict[int, str]]]:
    own: list[dict[int, str]] = [{} for _ in rendered]
    messages = []
    for place, first in enumerate(rendered[0]):
        contents = [visible(each[place].content) for each in rendered]
        if all(content == contents[0] for content in contents):
            messages.append([first.role, contents[0], None])
            continue
        before, after = _around(contents, texts)
        messages.append([first.role, before, after])
        for parts, content, text in zip(own, contents, texts, strict=True):
            middle = content[len(before) : len(content) - len(after)]
            if middle != text:
                parts[place] = middle
    return messages, own


def _around(contents: Sequence[str], texts: Sequence[str]) -> tuple[str, str]:
    """What stands before and after the part of the case, in all messages."""
    before, found, after = contents[0].partition(texts[0]) if texts[0] else ("", "", "")
    if found and all(c == f"{before}{text}{after}" for c, text in zip(contents, texts, strict=True)):
        return before, after
    before = _common_start(contents)
    return before, _common_start([content[len(before) :][::-1] for content in contents])[::-1]


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    return next((first[:i] for i, character in enumerate(first) if last[i : i + 1] != character), first)
