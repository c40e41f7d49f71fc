"""How an imported answer is judged: the label contract, a boxed answer, an equal answer, or what the file itself says.

Which one, where the user does not say, is decided by `choose` from the rows alone; docs/interop.md tells it at length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from harness.contracts.label.contract import LabelContract
from harness.core.errors import ConfigError
from harness.core.types import Case, Reading, Response, Score
from harness.interop.rows import ImportedRow, as_text

FEW = 20
"""As many different expected answers, or fewer, may be the labels of a classification."""
_PER_LABEL = 5
"""And each must come so often on average, or they are answers that happen to be few."""
_LABEL_LENGTH = 40


class ReplyJudge(Protocol):
    """Reads and scores an imported reply."""

    @property
    def id(self) -> str:
        """Kind and version of the rules, as a contract's."""
        ...

    def expected(self, row: ImportedRow) -> Any:
        """What the row expects, as replies are compared with it; raises `ConfigError` where nothing could be right."""
        ...

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """What one reply says, and whether that is right."""
        ...


@dataclass(frozen=True)
class LabelJudge:
    """The label contract, with one list for all cases or the list that each brings (`inputs["allowed"]`)."""

    labels: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """That of the label contract."""
        return "label/1"

    def expected(self, row: ImportedRow) -> Any:
        """One of the labels."""
        answer, labels = _one(row), self.labels or row.allowed
        if not labels:
            msg = f"{row.where}: which labels are allowed? Name them with --labels, or their column with --allowed"
            raise ConfigError(msg)
        try:
            _contract(labels)
        except ValueError as error:
            msg = f"{row.where}: {error}"
            raise ConfigError(msg) from None
        if answer in labels:
            return answer
        msg = f"{row.where}: expected {answer!r:.60} is not among the labels ({', '.join(labels)[:200]})"
        raise ConfigError(msg)

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """The label read is the label expected."""
        reading = _contract(self.labels or tuple(case.inputs["allowed"])).read(response)
        return reading, Score(reading.strict == case.expected, reading.lenient == case.expected)


_BOX = re.compile(r"\\boxed\s{0,8}\{|[{}]")


@dataclass(frozen=True)
class BoxedAnswerJudge:
    r"""The answer in `\boxed{…}`, as mathematics is asked for: whatever is said around it, the box is the answer.

    One box, or several that say the same, is compliant; a reply with no box, or with boxes that differ, is not, and
    gives no answer. Strict and lenient are the same.
    """

    @property
    def id(self) -> str:
        """Kind and version of these rules."""
        return "boxed/1"

    def expected(self, row: ImportedRow) -> Any:
        """What is in the box."""
        answer = _one(row)
        return next(iter(boxes(answer)), answer).strip()

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """The box holds what is expected."""
        found = dict.fromkeys(content.strip() for content in boxes(response.text))
        if len(found) != 1:
            code = "multiple_values" if found else "no_answer" if response.text.strip() else "empty"
            codes = (code, "truncated") if response.truncated and not found else (code,)
            return Reading(None, None, compliant=False, violations=codes), Score(strict=False, lenient=False)
        (answer,) = found
        right = answer == case.expected
        return Reading(answer, answer, compliant=True), Score(right, right)


def boxes(text: str) -> Iterator[str]:
    r"""The contents of every `\boxed{…}` that is closed, an inner one before the one around it, in one pass."""
    opened: list[int | None] = []
    for match in _BOX.finditer(text):
        if match[0] != "}":
            opened.append(match.end() if len(match[0]) > 1 else None)
        elif opened and (start := opened.pop()) is not None:
            yield text[start : match.start()]


@dataclass(frozen=True)
class EqualityJudge:
    """The reply is the expected answer: strictly, white space around it aside; leniently, whatever its case and spaces.

    There is no form to break: every reply is compliant but an empty one.
    """

    @property
    def id(self) -> str:
        """Kind and version of these rules."""
        return "equal/1"

    def expected(self, row: ImportedRow) -> Any:
        """The answer, as text."""
        return _one(row).strip()

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """The reply is what is expected."""
        said = response.text.strip()
        if not said:
            reading = Reading(None, None, compliant=False, violations=("empty",))
            return reading, Score(strict=False, lenient=False)
        lenient = _folded(said) == _folded(str(case.expected))
        return Reading(said, case.expected if lenient else said, compliant=True), Score(said == case.expected, lenient)


@dataclass(frozen=True)
class RecordedJudge:
    """Right or wrong as the file says, by `measure` where the format has several; nothing is read again.

    Where the file does not tell the answer, it is the expected one of a right row, and of a wrong one the reply, or
    `False` where there is none. Nothing is said of the form, so every reply is compliant.
    """

    measure: str = ""

    @property
    def id(self) -> str:
        """Kind and version of these rules."""
        return "given/1"

    def expected(self, row: ImportedRow) -> Any:
        """What is expected; `True`, which is that the answer be right, where the file does not tell."""
        return True if row.expected is None else row.expected

    def told(self, row: ImportedRow, case: Case) -> tuple[Reading, Score]:
        """What the row says of itself."""
        score = Score(*(row.right or (False, False)))
        if row.answers is not None:
            return Reading(*row.answers, compliant=row.answers[0] is not None, violations=row.violations), score
        wrong = row.reply.strip() if row.reply is not None and row.reply.strip() != case.expected else False
        strict, lenient = (case.expected if right else wrong for right in (score.strict, score.lenient))
        return Reading(strict, lenient, compliant=True), score


def choose(
    rows: Sequence[ImportedRow], kind: str | None = None, labels: Sequence[str] = ()
) -> LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge:
    """How these rows are judged. `kind`: label, boxed or equal, where the user says; raises `ConfigError`."""
    if kind is None and not labels and not any(row.allowed for row in rows) and all(_is_given(row) for row in rows):
        return RecordedJudge(next((row.measure for row in rows if row.measure), ""))
    if labels and kind in (None, "label"):
        return LabelJudge(tuple(labels))
    if kind == "boxed" or (kind is None and all(_is_boxed(row.expected) for row in rows)):
        return BoxedAnswerJudge()
    if kind is None and any(row.allowed for row in rows):
        return LabelJudge()
    if kind in (None, "label") and not any(row.allowed for row in rows):
        found = _few(rows)
        if found or kind == "label":
            return LabelJudge(found)
    return LabelJudge() if kind == "label" else EqualityJudge()


def _is_given(row: ImportedRow) -> bool:
    return row.right is not None or bool(row.error)


def _is_boxed(expected: Any) -> bool:
    if not isinstance(expected, str):
        return False
    bare = expected.strip().lstrip("\\")
    return bare.startswith("boxed") and bare.endswith("}") and len(list(boxes(expected))) == 1


def _few(rows: Sequence[ImportedRow]) -> tuple[str, ...]:
    """The different expected answers, sorted, where they can be the labels of a classification; else nothing."""
    found = tuple(sorted({as_text(row.expected) for row in rows}))
    if not 2 <= len(found) <= FEW or len(rows) < _PER_LABEL * len(found) or max(map(len, found)) > _LABEL_LENGTH:
        return ()
    try:
        _contract(found)
    except ValueError:
        return ()
    return found


def _one(row: ImportedRow) -> str:
    """The expected answer as text; raises `ConfigError` for none, and for what is not one answer."""
    if row.expected is None or (isinstance(row.expected, str) and not row.expected.strip()):
        msg = f"{row.where}: nothing is expected: every row needs an answer to be compared with"
        raise ConfigError(msg)
    if isinstance(row.expected, list | dict):
        msg = f"{row.where}: expected is {row.expected!r:.60}: only text, a number, true or false can be compared"
        raise ConfigError(msg)
    return as_text(row.expected)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=1024)
def _contract(labels: tuple[str, ...]) -> LabelContract:
    return LabelContract(labels)
