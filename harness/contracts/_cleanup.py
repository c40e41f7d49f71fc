"""Remove reasoning blocks and control tokens from a reply."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_THINK = re.compile(
    r"<(/?)(?:think(?:ing)?|reasoning|reflection|thoughts?|scratchpad|analysis)\s{0,4}>|\[(/?)THINK\]|◁(/?)think▷",
    re.IGNORECASE,
)
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_ANY_CHANNEL = "<|channel|>"

CONTROL_TOKEN = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|<(?:bos|eos|pad|unk|eot|start_of_turn|end_of_turn|end_of_utterance|end_of_text)>"
    r"|\[(?:EOS|BOS|PAD|UNK|SEP|CLS)\]",
    re.IGNORECASE,
)
_OPENS_TURN = re.compile(r"im_start|start_header_id|start_of_turn|<\|start\|>", re.IGNORECASE)
_ROLE = re.compile(r"\s{0,2}(user|human|system|tool|assistant|model)\b", re.IGNORECASE)
_OTHER_TURN = re.compile(r"<\|(?:user|system|human|prompter)\|>|\[INST\]|<<SYS>>", re.IGNORECASE)
_OWN_TURN = re.compile(r"<\|(?:assistant|model)\|>|\[/INST\]", re.IGNORECASE)

_INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u00ad\u200e\u200f\ufe0f]")

_HAS_WIDE = re.compile("[：，；？！（）【】]")
_WIDE = str.maketrans("：，；？！（）【】", ":,;?!()[]")

_NFC_LIMIT = 20_000
"""Longer texts are not normalised: NFC is quadratic on long runs of combining marks."""


@dataclass(frozen=True, slots=True)
class CleanedReply:
    """A reply without reasoning and control tokens. `reasoning` is `None` if the reply had none."""

    text: str
    reasoning: str | None = None
    special_token: bool = False


def clean(text: str, *, keep_tokens: bool = False, keep_letters: bool = False) -> CleanedReply:
    """Remove reasoning blocks and control tokens.

    Args:
        text: the raw reply.
        keep_tokens: keep control tokens, for labels that look like them.
        keep_letters: keep every other character unchanged, for contracts that copy values from the text.
    """
    reasoning = None
    special = False
    if "<" in text or "[" in text or "◁" in text:
        text, reasoning = _without_reasoning(text)
        if not keep_tokens:
            text, special = _without_tokens(text)
    if not (keep_letters or text.isascii()):
        text = _visible(text)
    return CleanedReply(text, reasoning, special)


def fold(text: str) -> str:
    """Case-fold each character on its own, so that positions in the result are positions in `text`."""
    if text.isascii():
        return text.lower()
    if _HAS_WIDE.search(text):
        text = text.translate(_WIDE)
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(lower if len(lower := char.casefold()) == 1 else char for char in text)


def _visible(text: str) -> str:
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub("", text)
    if len(text) <= _NFC_LIMIT and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return text


def _without_reasoning(text: str) -> tuple[str, str | None]:
    """Split the text into the parts outside and inside reasoning blocks.

    A closing tag alone ends a block that the prompt opened. An opening tag alone means that the model stopped during
    its reasoning.
    """
    if _ANY_CHANNEL in text:
        thought, final, rest = text.rpartition(_FINAL_CHANNEL)
        return (rest, thought) if final else ("", text)
    kept: list[str] = []
    thoughts: list[str] = []
    position, inside = 0, False
    for tag in _THINK.finditer(text):
        piece = text[position : tag.start()]
        position = tag.end()
        closes = bool(tag[1] or tag[2] or tag[3])
        if inside:
            thoughts.append(piece)
        elif closes:
            thoughts.extend([*kept, piece])
            kept.clear()
        else:
            kept.append(piece)
        inside = not closes
    if not position:
        return text, None
    (thoughts if inside else kept).append(text[position:])
    return "\n".join(kept), "\n".join(thoughts).strip()


def _without_tokens(text: str) -> tuple[str, bool]:
    """Keep the model's own turn. Control tokens become line breaks; an invented turn of another role ends the reply."""
    kept: list[str] = []
    position, own, has_tokens, has_text = 0, True, False, False
    for token in CONTROL_TOKEN.finditer(text):
        if token.start() < position:
            continue
        has_tokens = True
        if own:
            kept.append(text[position : token.start()])
            has_text = has_text or bool(kept[-1].strip())
        position = token.end()
        speaker = _speaker(text, token)
        if speaker == "":
            continue
        role = _ROLE.match(text, position)
        if role and _OPENS_TURN.search(token[0]):
            position = role.end()
        own = speaker == "own"
        if not own and has_text:
            return "\n".join(kept), True
    if not has_tokens:
        return text, False
    if own:
        kept.append(text[position:])
    return "\n".join(kept), True


def _speaker(text: str, token: re.Match[str]) -> str:
    """Return the role of the turn that a control token opens: `own`, `other`, or "" for no turn."""
    if _OTHER_TURN.fullmatch(token[0]):
        return "other"
    if _OWN_TURN.fullmatch(token[0]):
        return "own"
    if _OPENS_TURN.search(token[0]):
        role = _ROLE.match(text, token.end())
        if role:
            return "own" if role[1].lower() in ("assistant", "model") else "other"
    return ""
