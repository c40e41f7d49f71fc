"""Find the labels in a text: longest match first, whole words only, in any script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.contracts._cleanup import fold

# Scripts without spaces between words, or with particles joined to words (Korean): no word boundaries.
_JOINED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W_{_JOINED}]"
_IS_JOINED = re.compile(rf"[{_JOINED}]")
_SEPARATOR = re.compile(r"(?<=[^\W_])[\s_\-]{1,2}(?=[^\W_])")
_SEPARATORS = r"[\s_\-]{1,2}"
_BRACKETED = re.compile(r"[(\[{<]\s*([^\W_]{1,3})\s*[)\]}>]")
_NUMBER = re.compile(r"[+\-]?\d+(?:[.,]\d+)*")


def _marks() -> str:
    r"""Return combining marks as a character class body: `\w` excludes them, but they are parts of words."""
    codes = [c for c in range(0x300, 0x3000) if unicodedata.category(chr(c)) in ("Mn", "Mc")]
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in runs)


_GOES_ON = rf"(?!{_LETTER}|_[^\W_]|[{_marks()}]|[+#](?!\w))"


_COMMON_WORDS = (
    "no on off in out up it is as at be do he me my us we so to of or and not none other others all any by for i a "
    "si non ja ne да нет"
)
_COMMON = frozenset(_COMMON_WORDS.split())
"""Labels that are also very common words: recognised only if no other word follows."""


class LabelForm(NamedTuple):
    """A spelling of a label: the label itself, a declared synonym, or a bare option letter."""

    text: str
    label: str
    own: bool
    """Whether it is the label itself, not a synonym or an alias."""
    bare: bool
    """Whether it is one character: recognised only in an answer position, never in running text."""
    common: bool
    """Whether it is a number, a letter or a very common word."""


class Mention(NamedTuple):
    """A label named at `start:end` of a text."""

    start: int
    end: int
    form: LabelForm


@dataclass(frozen=True, slots=True)
class Matcher:
    """Finds labels in a text. Compiled once for a set of labels."""

    pattern: re.Pattern[str] | None
    forms: Mapping[str, tuple[LabelForm, ...]]
    symbols: Mapping[str, LabelForm]
    """Labels without a letter or a digit (“+”, “👍”): recognised only as the whole reply."""

    @classmethod
    def of(cls, labels: Sequence[str], synonyms: Mapping[str, str]) -> Matcher:
        """Build the matcher for these labels and their synonyms."""
        every = [_form(unicodedata.normalize("NFC", label.strip()), label, own=True) for label in labels]
        every += [_form(unicodedata.normalize("NFC", s.strip()), label, own=False) for s, label in synonyms.items()]
        taken = {fold(form.text) for form in every}
        for label in labels:
            inner = _BRACKETED.fullmatch(label.strip())
            if inner and fold(inner[1]) not in taken:
                every.append(_form(inner[1], label, own=False))
        table: dict[str, tuple[LabelForm, ...]] = {}
        symbols: dict[str, LabelForm] = {}
        for form in every:
            if any(char.isalnum() for char in form.text):
                table[key(form.text)] = (*table.get(key(form.text), ()), form)
            else:
                symbols[form.text] = form
        top = max(
            (f.text for f in every if _NUMBER.fullmatch(f.text)),
            key=lambda n: float(n.replace(",", ".").split(".")[0]),
            default="",
        )
        return cls(re.compile(_trie(list(table), top)) if table else None, table, symbols)

    def find(self, text: str, folded: str) -> Iterator[Mention]:
        """Return every mention, left to right, without overlap."""
        if self.pattern is None:
            return
        search = self.pattern.search
        position = 0
        while match := search(folded, position):
            start, end = match.span()
            form = self._form(text[start:end], folded[start:end]) if _starts_a_word(folded, start) else None
            if form is None:
                position = start + 1
                continue
            yield Mention(start, end, form)
            position = end

    def _form(self, written: str, folded: str) -> LabelForm | None:
        forms = self.forms.get(folded) or self.forms.get(key(folded), ())
        exact = [form for form in forms if form.text == written]
        if exact:
            return exact[0]
        return forms[0] if len({form.label for form in forms}) == 1 and not forms[0].bare else None


def key(text: str) -> str:
    """Spellings that differ only in case, or in `_`, `-` and space between words, have the same key."""
    return _SEPARATOR.sub(" ", fold(text))


def is_number(text: str) -> bool:
    """Return whether the label is a number: “1”, “-1”, “1.0”."""
    return _NUMBER.fullmatch(text) is not None


def _form(text: str, label: str, *, own: bool) -> LabelForm:
    bare = len(text) == 1 and not text.isdigit()
    return LabelForm(text, label, own, bare, bare or is_number(text) or fold(text) in _COMMON)


def _starts_a_word(text: str, start: int) -> bool:
    """Lookbehind: no letter directly before the label; a sign or decimal point would make it another number."""
    if not start:
        return True
    before, first = text[start - 1], text[start]
    if first.isdigit() and (before in "$€£~≈≤≥±<" or (before in "+-.,/" and _signs_number(text, start))):
        return False
    if not first.isalnum():
        return before != first and not (before.isalnum() and first in "+-.")
    if before == "_":
        return start < 2 or not text[start - 2].isalnum()
    if not (before.isalnum() or unicodedata.category(before)[0] == "M"):
        return True
    return bool(_IS_JOINED.match(before)) or (bool(_IS_JOINED.match(first)) and not "\uac00" <= first <= "\ud7af")


def _signs_number(text: str, start: int) -> bool:
    before = text[start - 1]
    outer = text[start - 2] if start > 1 else " "
    if before == "/":
        return outer.isdigit()
    return before in ".," or not outer.isalnum()


def _ends_a_word(text: str, top: str) -> str:
    """Lookahead for a label that ends like `text`."""
    last = text[-1]
    if last.isdigit():
        scale = rf"(?!/(?!{re.escape(top)}(?!\d))\d)" if top else r"(?!/\d)"
        return rf"(?![.,:]\d)(?!\s?%){scale}{_GOES_ON}"
    if _IS_JOINED.match(last):
        return ""
    if last.isalnum():
        return _GOES_ON + (r"(?!-(?:[^\w\-]|$))" if len(text) == 1 else "")
    return "" if last in ")]}>" else rf"(?!{re.escape(last)}|[^\W_])"


def _trie(keys: Sequence[str], top: str) -> str:
    """Build one pattern with shared prefixes, so that 150 labels cost little more than five."""
    root: dict[str, dict[str, object]] = {}
    for text in keys:
        node: dict[str, object] = root  # type: ignore[assignment]
        for char in text:
            node = node.setdefault(char, {})  # type: ignore[assignment]
        node["$end"] = _ends_a_word(text, top)
    return _emit(root)  # type: ignore[arg-type]


def _emit(node: dict[str, object]) -> str:
    prefix: list[str] = []
    while len(node) == 1 and "$end" not in node:
        char, node = next(iter(node.items()))  # type: ignore[assignment]
        prefix.append(_SEPARATORS if char == " " else re.escape(char))
    end = node.get("$end")
    branches = [
        (_SEPARATORS if char == " " else re.escape(char)) + _emit(child)  # type: ignore[arg-type]
        for char, child in node.items()
        if char != "$end"
    ]
    if end is not None:
        branches.append(str(end))
    body = branches[0] if len(branches) == 1 else "(?:" + "|".join(branches) + ")"
    return "".join(prefix) + body
