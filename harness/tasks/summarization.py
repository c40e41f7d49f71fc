"""Summarization: a text with the facts of another text, and nothing invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from harness.analysis.metrics.summarization import find, measures, phrasings
from harness.contracts.text.contract import LengthLimits, TextContract
from harness.contracts.text.length import words
from harness.core.extras import check
from harness.core.plugins import TaskCapabilities
from harness.core.toml import Names, StrictModel
from harness.core.types import JSON, Case, Reading, Sampling, Score
from harness.tasks import Task

_KEYS = frozenset({"summary", "facts", "must_not"})
Count = int | None
_NO_SUMMARY = 1.5
"""A text longer than this factor times the word limit is never right: a copy of the source has every fact."""


class ContractOptions(StrictModel):
    """`[contract]` of an eval whose task is summarization. Missing keys set no limit."""

    min_words: Count = Field(default=None, ge=0)
    max_words: Count = Field(default=None, ge=1)
    min_sentences: Count = Field(default=None, ge=0)
    max_sentences: Count = Field(default=None, ge=1)
    min_characters: Count = Field(default=None, ge=0)
    max_characters: Count = Field(default=None, ge=1)
    min_paragraphs: Count = Field(default=None, ge=0)
    max_paragraphs: Count = Field(default=None, ge=1)
    min_bullets: Count = Field(default=None, ge=0)
    max_bullets: Count = Field(default=None, ge=0)
    required: Names = ()
    forbidden: Names = ()
    language: str | None = None
    markdown: bool = False

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        """Report errors of the contract at its table."""
        self.build()
        return self

    def build(self) -> TextContract:
        """Create the contract; raises `ValueError` if no text can satisfy it."""
        units = ("words", "sentences", "characters", "paragraphs", "bullets")
        spans = {unit: LengthLimits(getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")) for unit in units}
        return TextContract(
            **spans, required=self.required, forbidden=self.forbidden, language=self.language, markdown=self.markdown
        )


class SummarizationOptions(StrictModel):
    """Keys of an eval whose task is summarization."""

    contract: ContractOptions = ContractOptions()


@dataclass(frozen=True)
class SummarizationTask(Task):
    """A text within the contract's limits, with all facts of the case and nothing invented."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(
        free_text=True, reviewable=False, sections=frozenset({"summaries"})
    )
    options_class: ClassVar[type[SummarizationOptions]] = SummarizationOptions

    contract: TextContract
    sampling: Sampling = field(default=Sampling(max_tokens=256))

    @classmethod
    def build(cls, options: SummarizationOptions, _root: Path) -> Self:
        """Create the task; the options are valid."""
        return cls(options.contract.build())

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs and `limits`: the contract's numbers by their keys, `None` if not set."""
        limits = {
            f"{end}_{unit}": getattr(self.contract, unit)[end == "max"]
            for unit in ("words", "sentences", "characters", "paragraphs", "bullets")
            for end in ("min", "max")
        }
        return {**case.inputs, "limits": limits}

    def check(self, case: Case) -> str | None:
        """Check that the reference summary satisfies the contract, with every fact and no forbidden statement."""
        expected = case.expected
        problem = _shape(expected)
        if problem:
            return f"expected {problem}"
        broken = self.contract.problem(expected["summary"])
        if broken:
            return f"the reference summary breaks the contract: {broken}"
        findings = find(case, expected["summary"])
        if findings.missed:
            return f"the reference summary lacks the fact {findings.missed[0]!r}"
        return f"the reference summary has a forbidden statement: {findings.stated[0]!r}" if findings.stated else None

    def require(self, where: str) -> None:
        """Raise `MissingExtra` if a package that compares texts is not installed."""
        purpose = f"{where}: Summarization evals need rouge-score and sacrebleu"
        check("summaries", purpose, modules=("rouge_score", "sacrebleu"))

    def score(self, reading: Reading, case: Case) -> Score:
        """Right if the text has all facts, no forbidden or invented statement, and is not a copy."""
        right = reading.lenient is not None and self._is_short(reading.lenient) and find(case, reading.lenient).right
        return Score(reading.compliant and right, right, measures=measures(case, reading.lenient))

    def _is_short(self, text: str) -> bool:
        most = self.contract.words.most
        return most is None or words(text) <= _NO_SUMMARY * most


def _shape(expected: JSON) -> str | None:
    """The problem with the form of an expected answer; `None` if it is valid."""
    if not isinstance(expected, Mapping) or not isinstance(expected.get("summary"), str):
        return "must be an object with a `summary`, a string"
    unknown = expected.keys() - _KEYS
    if unknown:
        return f"has an unknown key {min(unknown)!r}"
    for key in ("facts", "must_not"):
        facts = expected.get(key, [])
        if not isinstance(facts, list) or not all(_is_fact(fact) for fact in facts):
            return f"has `{key}` that is not a list of phrasings, or of lists of them"
    return None


def _is_fact(fact: JSON) -> bool:
    if not isinstance(fact, str | list):
        return False
    ways = phrasings(fact)
    return bool(ways) and all(isinstance(way, str) and way.strip() for way in ways)


TASK = SummarizationTask
