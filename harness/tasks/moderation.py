"""Moderation: which comments need action, and for which category.

A reply is one category (or the benign label), or a score for each category; a threshold flags categories by score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from harness.contracts.json.contract import JsonContract
from harness.contracts.label.contract import LabelContract
from harness.core.plugins import TaskCapabilities
from harness.core.toml import Name, Names, StrictModel, hint
from harness.core.types import JSON, Case, Constraint, FieldCounts, Reading, Sampling, Score
from harness.tasks import Task

ReplyKind = Literal["label", "scores"]

TOKENS: Mapping[ReplyKind, int] = {"label": 32, "scores": 256}
"""Default `max_tokens`: a label as in classification; scores need about ten tokens per category."""


class ModerationOptions(StrictModel):
    """Keys of an eval whose task is moderation, in the order of their checks."""

    reply: ReplyKind = "label"
    categories: Names = Field(min_length=1)
    benign: Name = Field(default="ok", validate_default=True)
    case_sensitive: bool = True
    synonyms: Mapping[str, str] = Field(default_factory=dict)
    threshold: float = Field(default=0.5, gt=0, le=1)

    @field_validator("categories", "benign", "case_sensitive", "synonyms")
    @classmethod
    def _check_contract(cls, value: Any, info: ValidationInfo) -> Any:
        """Report errors of the contract at the key that causes them."""
        options = {**info.data, str(info.field_name): value}
        if "categories" in options:
            labels = (*options["categories"], *([options["benign"]] if "benign" in options else []))
            LabelContract(labels, options.get("case_sensitive", True), options.get("synonyms", {}))
        return value

    @field_validator("case_sensitive", "synonyms", "threshold")
    @classmethod
    def _check_effect(cls, value: Any, info: ValidationInfo) -> Any:
        """Reject keys that have no effect with this kind of reply."""
        use: ReplyKind = "scores" if info.field_name == "threshold" else "label"
        if info.data.get("reply", use) != use:
            msg = f'has no effect if reply is {info.data["reply"]!r}: use it with reply = "{use}"'
            raise ValueError(msg)
        return value


@dataclass(frozen=True)
class ModerationTask(Task):
    """Common part of both kinds of reply."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(sections=frozenset({"moderation"}))
    options_class: ClassVar[type[ModerationOptions]] = ModerationOptions

    categories: tuple[str, ...]
    benign: str

    @classmethod
    def build(cls, options: ModerationOptions, _root: Path) -> ModerationTask:
        """Create the task for the kind of reply in the options."""
        if options.reply == "scores":
            contract = JsonContract(schema(options.categories))
            return ScoreModerationTask(options.categories, options.benign, contract, options.threshold)
        labels = (*options.categories, options.benign)
        label_contract = LabelContract(labels, options.case_sensitive, options.synonyms)
        return LabelModerationTask(options.categories, options.benign, label_contract, labels)

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs, `categories` and `benign`; no input can replace the last two."""
        return {**case.inputs, "categories": list(self.categories), "benign": self.benign}

    def check(self, case: Case) -> str | None:
        """The expected answer is the benign label, a category, or a list of different categories."""
        expected, allowed = case.expected, self.categories
        if isinstance(expected, list):
            if not expected or any(expected.count(name) > 1 for name in expected):
                return f"expected {expected!r:.60} is not a list of different categories"
            unknown = [name for name in expected if name not in allowed]
        else:
            allowed = (*self.categories, self.benign)
            unknown = [] if expected in allowed else [expected]
        if not unknown:
            return None
        return f"expected {unknown[0]!r:.60} is not among the categories{hint(str(unknown[0]), allowed)}"

    def wanted(self, case: Case) -> tuple[str, ...]:
        """The expected categories of a case, the main category first; none if it is benign."""
        if isinstance(case.expected, list):
            return tuple(case.expected)
        return () if case.expected == self.benign else (case.expected,)

    def counts(self, wanted: tuple[str, ...], flagged: tuple[str, ...]) -> dict[str, FieldCounts]:
        """For each category: flagged correctly, missed, or flagged wrongly."""
        return {
            name: FieldCounts(
                right=int(name in wanted and name in flagged),
                missed=int(name in wanted and name not in flagged),
                invented=int(name not in wanted and name in flagged),
            )
            for name in self.categories
        }


@dataclass(frozen=True)
class LabelModerationTask(ModerationTask):
    """One category, or the benign label."""

    contract: LabelContract
    labels: tuple[str, ...]
    """The categories, and the benign label last."""
    sampling: Sampling = field(default=Sampling(max_tokens=TOKENS["label"]))

    @property
    def constraint(self) -> Constraint:
        """One of the labels."""
        return Constraint(choices=self.labels)

    def score(self, reading: Reading, case: Case) -> Score:
        """Right if the label of the reply is an expected label."""
        wanted = self.wanted(case)
        right = wanted or (self.benign,)
        strict, lenient = self._counts(wanted, reading.strict), self._counts(wanted, reading.lenient)
        return Score(
            strict=reading.strict in right,
            lenient=reading.lenient in right,
            fields={name: (strict[name], lenient[name]) for name in self.categories},
        )

    def _counts(self, wanted: tuple[str, ...], label: JSON) -> dict[str, FieldCounts]:
        """A label names one category: a case with several counts for the named category, else for the first."""
        counted = (label,) if label in wanted else wanted[:1]
        return self.counts(counted, () if label in (None, self.benign) else (label,))


@dataclass(frozen=True)
class ScoreModerationTask(ModerationTask):
    """A score of 0..1 for each category; scores from `threshold` on are flagged."""

    contract: JsonContract
    threshold: float = 0.5
    sampling: Sampling = field(default=Sampling(max_tokens=TOKENS["scores"]))

    @property
    def constraint(self) -> Constraint:
        """JSON of the schema."""
        return Constraint(schema=self.contract.schema)

    @property
    def settings(self) -> Mapping[str, JSON]:
        """The threshold."""
        return {"threshold": self.threshold}

    def score(self, reading: Reading, case: Case) -> Score:
        """Right if the flagged categories equal the expected categories."""
        wanted = self.wanted(case)
        strict, lenient = self._flagged(reading.strict), self._flagged(reading.lenient)
        pairs = (self.counts(wanted, strict or ()), self.counts(wanted, lenient or ()))
        return Score(
            strict=strict is not None and set(strict) == set(wanted),
            lenient=lenient is not None and set(lenient) == set(wanted),
            fields={name: (pairs[0][name], pairs[1][name]) for name in self.categories},
        )

    def _flagged(self, scores: JSON) -> tuple[str, ...] | None:
        if not isinstance(scores, Mapping):
            return None
        return tuple(name for name in self.categories if scores[name] >= self.threshold)


def schema(categories: tuple[str, ...]) -> dict[str, JSON]:
    """JSON Schema of a reply with a score per category."""
    score = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": dict.fromkeys(categories, score),
        "required": list(categories),
        "additionalProperties": False,
    }


TASK = ModerationTask
