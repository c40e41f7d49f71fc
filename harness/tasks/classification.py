"""Classification: one label of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationInfo, field_validator

from harness.contracts.label.contract import LabelContract
from harness.core.plugins import TaskCapabilities
from harness.core.toml import Names, StrictModel, hint
from harness.core.types import Case, Constraint, Reading, Sampling, Score
from harness.tasks import Task


class ClassificationOptions(StrictModel):
    """Keys of an eval whose task is classification."""

    case_sensitive: bool = True
    labels: Names = Field(min_length=2)
    synonyms: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("labels", "synonyms")
    @classmethod
    def _check_contract(cls, value: Any, info: ValidationInfo) -> Any:
        """Report errors of the contract at the key that causes them."""
        options = {**info.data, str(info.field_name): value}
        if "labels" in options:
            LabelContract(**options)
        return value


@dataclass(frozen=True)
class ClassificationTask(Task):
    """One label out of `labels`."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(single_label=True)
    options_class: ClassVar[type[ClassificationOptions]] = ClassificationOptions

    contract: LabelContract
    labels: tuple[str, ...]
    sampling: Sampling = field(default=Sampling(max_tokens=32))
    """32 tokens: enough to show a chatty reply, few enough that it stays cheap."""

    @classmethod
    def build(cls, options: ClassificationOptions, _root: Path) -> Self:
        """Create the task; the options are valid."""
        contract = LabelContract(options.labels, case_sensitive=options.case_sensitive, synonyms=options.synonyms)
        return cls(contract, options.labels)

    @property
    def constraint(self) -> Constraint:
        """Constraint: one of the labels."""
        return Constraint(choices=self.labels)

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs and `labels`; no input can replace `labels`."""
        return {**case.inputs, "labels": list(self.labels)}

    def check(self, case: Case) -> str | None:
        """Check that the expected label is in the list."""
        if case.expected in self.labels:
            return None
        return f"expected {case.expected!r:.60} is not among the labels{hint(str(case.expected), self.labels)}"

    def score(self, reading: Reading, case: Case) -> Score:
        """Right if the label of the reply equals the expected label."""
        return Score(strict=reading.strict == case.expected, lenient=reading.lenient == case.expected)


TASK = ClassificationTask
