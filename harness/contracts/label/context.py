"""The words around a mention, cut to a bounded window, so that the time to read a reply is linear in its length."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.contracts.label import vocabulary as v
from harness.contracts.label.mentions import Mention

BEFORE = 240
AFTER = 90
_FOLLOWING = 32
_MARKER = 12
_HAS_STOP = re.compile("[.;!?。]").search


class Context(NamedTuple):
    """Where a mention stands. Everything but `text` is case-folded."""

    text: str
    mention: Mention
    line: str
    """What stands before the label on its line, without what it quotes."""
    tokens: list[str]
    """The words of `line` from the last sentence end on."""
    rest: str
    """What stands behind the label on its line."""
    following: list[str]
    led: bool
    """Only wrapping stands before the label on its line."""
    announced: bool
    """… and the line before leads up to it."""
    quoted: bool
    """The label stands inside a longer quotation."""

    @property
    def exact(self) -> bool:
        """The label is written as the contract spells it."""
        return self.text[self.mention.start : self.mention.end] == self.mention.form.text

    @property
    def goes_on(self) -> bool:
        """A verb or a noun of the answer follows, so that what follows may judge the label."""
        return bool(self.following) and self.following[0] in v.GOES_ON

    @property
    def emphasised(self) -> bool:
        """In quotation marks or bold, and not as the argument of a function."""
        start, end = self.mention.start, self.mention.end
        if not 0 < start <= end < len(self.text):
            return False
        outer = self.text[start - 2 : start - 1]
        apart = not outer or not (outer.isalnum() or outer == "(")
        return apart and self.text[start - 1] in v.OPENS and self.text[end] in v.CLOSES

    @property
    def ends(self) -> bool:
        """The clause ends behind the label."""
        stripped = self.rest.lstrip(v.WRAP_RIGHT)
        return not stripped or stripped[0] in ".,;:!)(—–-"

    @property
    def alone(self) -> bool:
        """Nothing but wrapping stands behind the label on its line."""
        return not self.rest.strip(v.WRAP_RIGHT + ".")

    @property
    def terminated(self) -> bool:
        """The label is over: the line ends, punctuation, “because”, or a new sentence without a full stop."""
        tail = self.rest.lstrip(v.WRAP_RIGHT_ALL)
        if not tail or self._closed:
            return True
        if tail[0] in v.STOPS:
            return not (tail[0] in "-/&" and tail[1:2].isalpha())
        word = v.TOKEN.match(tail)
        return word is None or self._runs_out(word[0], tail)

    @property
    def _closed(self) -> bool:
        """A quotation mark or a bracket closes behind the label, and no possessive s follows."""
        return self.rest[:1] in v.CLOSERS and self.rest[:2] not in ("'s", "’s")

    def _runs_out(self, word: str, tail: str) -> bool:
        form = self.mention.form
        if word.startswith(v.JOINED_ENDINGS):
            return True
        if word in v.COPULA:
            return v.RIGHT.match(self.rest) is not None
        if word in v.CONNECTS or (word in v.ASIDES and tail[len(word) :][:2].strip().startswith(":")):
            return True
        if word in v.CLASS_NOUNS and not form.common:
            return True
        if word in v.SCALE and form.text[-1].isdigit():
            return True
        if form.bare or not self.text[self.mention.end + len(self.rest) - len(tail)].isupper():
            return False
        capital = form.text != form.text.casefold()
        return (self.exact and capital) or (word in v.STARTS and self.text[self.mention.start].isupper())


def setting_of(text: str, folded: str, mention: Mention, *, opening: bool) -> Context:
    """Cut the window. `opening`: only wrapping stands before the mention in the whole reply."""
    start, end, _ = mention
    window = folded[max(0, start - BEFORE) : start]
    line = window[window.rfind("\n") + 1 :]
    led = not line.strip(v.WRAP_LEFT) or (len(line) < _MARKER and v.MARKER.fullmatch(line) is not None)
    led = led or (">" in line[-6:] and v.OPENING.search(line) is not None)
    above = _announcement(window) if led and not opening else ""
    line, quoted = _unquoted(above + line, whole=start - len(above) - len(line) <= 1)
    rest = folded[end : end + AFTER].partition("\n")[0]
    tokens = v.TOKEN.findall(_sentence(line))
    following = v.TOKEN.findall(rest[:_FOLLOWING])
    return Context(text, mention, line, tokens, rest, following, led, bool(above), quoted)


def _unquoted(line: str, *, whole: bool) -> tuple[str, bool]:
    """The words before the label without what they quote, and whether the label is itself inside a longer quotation."""
    if '"' not in line and "“" not in line:
        return line, False
    body = line.rstrip(" \t\"“'*`(")
    own = line[len(body) :]
    body = v.QUOTATION.sub(" ", v.QUOTED_KEY.sub(r"\1", body))
    head, mark, tail = body.rpartition('"')
    closing = tail[:1].isspace() and not head[-1:].isspace()  # its opening is further left than the window
    inside = bool(mark) and not closing and '"' not in own and not (whole and not head.strip())
    return tail + own, inside


def _announcement(window: str) -> str:
    """The line before, where it leads up to this one: “The category is:” and then, below, the label."""
    above = window[: window.rfind("\n") + 1].rstrip(" \t\n*_`\"'#>-•")
    line = above[above.rfind("\n") + 1 :]
    last = line[line.rfind(" ") + 1 :]
    return line + " " if line.endswith((":", "：")) or last in ("is", "as", "be", "are") else ""


def _sentence(line: str) -> str:
    """The line from its last sentence end on."""
    if line.endswith((".", "!")) and not line.endswith(("e.g.", "i.e.")):
        return ""
    if not _HAS_STOP(line):
        return line
    cut = max(map(line.rfind, v.ENDS_SENTENCE))
    return line if cut < 0 or line[:cut].endswith((" e.g", "i.e", "(e.g")) else line[cut + 1 :]


def clause_of(tokens: list[str]) -> list[str]:
    """The words that a “not” or a “might” could reach the mention from."""
    for i in range(len(tokens) - 1, -1, -1):
        token = tokens[i]
        if token == "but" and tokens[i - 1 : i] in (["anything"], ["all"], ["everything"]):
            return ["not"]
        if token == "instead" and tokens[i + 1 : i + 2] == ["of"]:
            continue
        if token == ";" or token in v.CUTS:
            return tokens[i + 1 :]
        if token in (",", "and") and i + 1 < len(tokens) and tokens[i + 1] in v.RESTART and tokens[i + 1] != "and":
            if token == "and" and tokens[i + 1] == "the":
                continue
            return tokens[i + 1 :]
    return tokens
