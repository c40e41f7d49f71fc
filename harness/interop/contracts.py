"""Judges for imported replies: label contract, boxed answer, equality, or the verdict recorded in the file.

`choose` picks the judge from the rows unless the user names one. docs/interop.md describes the rules.
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

MOST_LABELS = 20
"""Most distinct expected answers that can count as classification labels."""
_PER_LABEL = 5
"""Rows per distinct answer, on average, below which the answers do not count as labels."""
_LABEL_LENGTH = 40
"""Longest label, in characters."""


class ReplyJudge(Protocol):
    """Reads and scores an imported reply."""

    @property
    def id(self) -> str:
        """Kind and version of the rules, for example `label/1`."""
        ...

    def expected(self, row: ImportedRow) -> Any:
        """Return the expected answer in the form that replies are compared with.

        Raises `ConfigError` if no reply could be correct.
        """
        ...

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """Parse one reply and score it."""
        ...


@dataclass(frozen=True)
class LabelJudge:
    """Label contract with one list for all cases, or with each case's own list (`inputs["allowed"]`)."""

    labels: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Id of the label contract."""
        return "label/1"

    def expected(self, row: ImportedRow) -> Any:
        """Return the expected label; raises `ConfigError` if it is not among the labels."""
        answer, labels = _expected_text(row), self.labels or row.allowed
        if not labels:
            msg = f"{row.where}: no labels given: list them with --labels, or name their column with --allowed"
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
        """Compare the label in the reply with the expected label."""
        reading = _contract(self.labels or tuple(case.inputs["allowed"])).read(response)
        return reading, Score(reading.strict == case.expected, reading.lenient == case.expected)


_BOX = re.compile(r"\\boxed\s{0,8}\{|[{}]")


@dataclass(frozen=True)
class BoxedAnswerJudge:
    r"""The answer in `\boxed{…}`, as mathematics benchmarks ask for it. Text around the box is ignored.

    A reply is compliant if it has one box, or several boxes with the same content. Otherwise it has no answer.
    Strict and lenient scores are the same.
    """

    @property
    def id(self) -> str:
        """Kind and version of these rules."""
        return "boxed/1"

    def expected(self, row: ImportedRow) -> Any:
        """Return the content of the box, or the whole text if there is no box."""
        answer = _expected_text(row)
        return next(iter(boxes(answer)), answer).strip()

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """Compare the content of the box with the expected answer."""
        contents = dict.fromkeys(content.strip() for content in boxes(response.text))
        if len(contents) != 1:
            code = "multiple_values" if contents else "no_answer" if response.text.strip() else "empty"
            codes = (code, "truncated") if response.truncated and not contents else (code,)
            return Reading(None, None, compliant=False, violations=codes), Score(strict=False, lenient=False)
        (answer,) = contents
        right = answer == case.expected
        return Reading(answer, answer, compliant=True), Score(right, right)


def boxes(text: str) -> Iterator[str]:
    r"""Yield the content of every closed `\boxed{…}` in one pass. Nested boxes come before the enclosing box."""
    opened: list[int | None] = []
    for match in _BOX.finditer(text):
        if match[0] != "}":
            opened.append(match.end() if len(match[0]) > 1 else None)
        elif opened and (start := opened.pop()) is not None:
            yield text[start : match.start()]


@dataclass(frozen=True)
class EqualityJudge:
    """Whole-reply comparison with the expected answer.

    The strict score ignores surrounding white space. The lenient score also ignores case and inner spacing.
    Every reply except an empty reply is compliant.
    """

    @property
    def id(self) -> str:
        """Kind and version of these rules."""
        return "equal/1"

    def expected(self, row: ImportedRow) -> Any:
        """Return the expected answer as text."""
        return _expected_text(row).strip()

    def judge(self, case: Case, response: Response) -> tuple[Reading, Score]:
        """Compare the whole reply with the expected answer."""
        text = response.text.strip()
        if not text:
            reading = Reading(None, None, compliant=False, violations=("empty",))
            return reading, Score(strict=False, lenient=False)
        lenient = _folded(text) == _folded(str(case.expected))
        return Reading(text, case.expected if lenient else text, compliant=True), Score(text == case.expected, lenient)


@dataclass(frozen=True)
class RecordedJudge:
    """Scores as recorded in the file. Replies are not parsed again.

    `measure` names the measure if the format has several. If the file has no parsed answer, a correct row gets the
    expected answer. An incorrect row gets its reply, or `False` if it has none. The file does not record the reply's
    format, so every reply counts as compliant.
    """

    measure: str = ""

    @property
    def id(self) -> str:
        """Kind and version of these rules."""
        return "given/1"

    def expected(self, row: ImportedRow) -> Any:
        """Return the expected answer; `True` (the answer must be correct) if the file has none."""
        return True if row.expected is None else row.expected

    def recorded(self, row: ImportedRow, case: Case) -> tuple[Reading, Score]:
        """Return the reading and the score that the row records."""
        score = Score(*(row.right or (False, False)))
        if row.answers is not None:
            return Reading(*row.answers, compliant=row.answers[0] is not None, violations=row.violations), score
        wrong = row.reply.strip() if row.reply is not None and row.reply.strip() != case.expected else False
        strict, lenient = (case.expected if right else wrong for right in (score.strict, score.lenient))
        return Reading(strict, lenient, compliant=True), score


def choose(
    rows: Sequence[ImportedRow], kind: str | None = None, labels: Sequence[str] = ()
) -> LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge:
    """Return the judge for these rows. `kind` (label, boxed or equal) is the user's choice, if any."""
    if kind is None and not labels and not any(row.allowed for row in rows) and all(_is_scored(row) for row in rows):
        return RecordedJudge(next((row.measure for row in rows if row.measure), ""))
    if labels and kind in (None, "label"):
        return LabelJudge(tuple(labels))
    if kind == "boxed" or (kind is None and all(_is_boxed(row.expected) for row in rows)):
        return BoxedAnswerJudge()
    if kind is None and any(row.allowed for row in rows):
        return LabelJudge()
    if kind in (None, "label") and not any(row.allowed for row in rows):
        inferred = _inferred_labels(rows)
        if inferred or kind == "label":
            return LabelJudge(inferred)
    return LabelJudge() if kind == "label" else EqualityJudge()


def _is_scored(row: ImportedRow) -> bool:
    return row.right is not None or bool(row.error)


def _is_boxed(expected: Any) -> bool:
    if not isinstance(expected, str):
        return False
    bare = expected.strip().lstrip("\\")
    return bare.startswith("boxed") and bare.endswith("}") and len(list(boxes(expected))) == 1


def _inferred_labels(rows: Sequence[ImportedRow]) -> tuple[str, ...]:
    """The distinct expected answers, sorted; empty if they do not look like classification labels."""
    answers = tuple(sorted({as_text(row.expected) for row in rows}))
    if not 2 <= len(answers) <= MOST_LABELS or len(rows) < _PER_LABEL * len(answers):
        return ()
    if max(map(len, answers)) > _LABEL_LENGTH:
        return ()
    try:
        _contract(answers)
    except ValueError:
        return ()
    return answers


def _expected_text(row: ImportedRow) -> str:
    """The expected answer as text; raises `ConfigError` if it is missing, a list or an object."""
    if row.expected is None or (isinstance(row.expected, str) and not row.expected.strip()):
        msg = f"{row.where}: no expected answer: every row needs one to compare the reply with"
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
