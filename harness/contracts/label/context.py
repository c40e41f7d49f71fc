"""The bounded window of words around a mention. The bound keeps reading linear in the length of the reply."""

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
    """The surroundings of a mention. Everything except `text` is case-folded."""

    text: str
    mention: Mention
    line: str
    """The text before the label on its line, without quotations."""
    tokens: list[str]
    """The words of `line` after the last sentence end."""
    rest: str
    """The text after the label on its line."""
    following: list[str]
    led: bool
    """Whether only wrapping precedes the label on its line."""
    announced: bool
    """Like `alone`, and the previous line introduces it."""
    quoted: bool
    """Whether the label is inside a longer quotation."""

    @property
    def exact(self) -> bool:
        """Whether the label is spelled exactly as in the contract."""
        return self.text[self.mention.start : self.mention.end] == self.mention.form.text

    @property
    def goes_on(self) -> bool:
        """Whether a verb or an answer noun follows, so that the next words can qualify the label."""
        return bool(self.following) and self.following[0] in v.GOES_ON

    @property
    def emphasised(self) -> bool:
        """Whether the label is quoted or bold, and not the argument of a function."""
        start, end = self.mention.start, self.mention.end
        if not 0 < start <= end < len(self.text):
            return False
        outer = self.text[start - 2 : start - 1]
        apart = not outer or not (outer.isalnum() or outer == "(")
        return apart and self.text[start - 1] in v.OPENS and self.text[end] in v.CLOSES

    @property
    def ends(self) -> bool:
        """Whether the clause ends after the label."""
        stripped = self.rest.lstrip(v.WRAP_RIGHT)
        return not stripped or stripped[0] in ".,;:!)(—–-"

    @property
    def alone(self) -> bool:
        """Whether only wrapping follows the label on its line."""
        return not self.rest.strip(v.WRAP_RIGHT + ".")

    @property
    def terminated(self) -> bool:
        """Whether the statement ends here: line end, punctuation, “because”, or a new sentence without a full stop."""
        tail = self.rest.lstrip(v.WRAP_RIGHT_ALL)
        if not tail or self._closed:
            return True
        if tail[0] in v.STOPS:
            return not (tail[0] in "-/&" and tail[1:2].isalpha())
        word = v.TOKEN.match(tail)
        return word is None or self._runs_out(word[0], tail)

    @property
    def _closed(self) -> bool:
        """Whether a quotation mark or bracket closes after the label, without a possessive s."""
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


def context_of(text: str, folded: str, mention: Mention, *, opening: bool) -> Context:
    """Cut the window. `opening`: only wrapping precedes the mention in the whole reply."""
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
    """Return the words before the label without quotations, and whether the label is inside a longer quotation."""
    if '"' not in line and "“" not in line:
        return line, False
    body = line.rstrip(" \t\"“'*`(")
    own = line[len(body) :]
    body = v.QUOTATION.sub(" ", v.QUOTED_KEY.sub(r"\1", body))
    head, mark, tail = body.rpartition('"')
    closing = tail[:1].isspace() and not head[-1:].isspace()  # the opening mark is outside the window
    inside = bool(mark) and not closing and '"' not in own and not (whole and not head.strip())
    return tail + own, inside


def _announcement(window: str) -> str:
    """Return the previous line if it introduces this one: “The category is:”, then the label below."""
    above = window[: window.rfind("\n") + 1].rstrip(" \t\n*_`\"'#>-•")
    line = above[above.rfind("\n") + 1 :]
    last = line[line.rfind(" ") + 1 :]
    return line + " " if line.endswith((":", "：")) or last in ("is", "as", "be", "are") else ""


def _sentence(line: str) -> str:
    """Return the line after its last sentence end."""
    if line.endswith((".", "!")) and not line.endswith(("e.g.", "i.e.")):
        return ""
    if not _HAS_STOP(line):
        return line
    cut = max(map(line.rfind, v.ENDS_SENTENCE))
    return line if cut < 0 or line[:cut].endswith((" e.g", "i.e", "(e.g")) else line[cut + 1 :]


def clause_of(tokens: list[str]) -> list[str]:
    """Return the words from which a “not” or a “might” can apply to the mention."""
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
