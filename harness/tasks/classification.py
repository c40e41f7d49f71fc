"""Classification: one label out of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from harness.config import Names, Strict, hint
from harness.contracts.label import LabelContract
from harness.types import Case, Reading, Sampling, Score


class Options(Strict):
    """Keys of an eval whose task is classification."""

    labels: Names = Field(min_length=2)
    case_sensitive: bool = True
    synonyms: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Classification:
    """One label out of `labels`."""

    labels: tuple[str, ...]
    contract: LabelContract
    sampling: Sampling = field(default=Sampling(max_tokens=32))
    """32 tokens: room to see how a chatty model goes on, not so much that its chatter costs the run."""

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs and `labels`."""
        return {"labels": list(self.labels), **case.inputs}

    def check(self, case: Case) -> str | None:
        """The expected label must be one of the list."""
        if case.expected in self.labels:
            return None
        return f"expected {case.expected!r} is not among the labels{hint(str(case.expected), self.labels)}"

    def score(self, reading: Reading, case: Case) -> Score:
        """The label read is the label expected."""
        return Score(strict=reading.strict == case.expected, lenient=reading.lenient == case.expected)


def build(options: Options) -> Classification:
    """The task; raises `ValueError` for labels or synonyms that cannot work."""
    contract = LabelContract(options.labels, case_sensitive=options.case_sensitive, synonyms=options.synonyms)
    return Classification(options.labels, contract)
