"""Extraction: one JSON record from a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from harness.analysis.metrics.values import equal
from harness.contracts.json.contract import JsonContract
from harness.contracts.read import json_contract
from harness.core.errors import ConfigError
from harness.core.plugins import TaskCapabilities
from harness.core.toml import Name, StrictModel
from harness.core.types import JSON, Case, Constraint, FieldCounts, Reading, Sampling, Score
from harness.tasks import Task


class ExtractionOptions(StrictModel):
    """Keys of an eval whose task is extraction."""

    schema_file: Name
    """JSON Schema of a record, an object; the path is relative to the folder of harness.toml."""


@dataclass(frozen=True)
class ExtractionTask(Task):
    """One record that satisfies the contract's schema."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(has_fields=True)
    options_class: ClassVar[type[ExtractionOptions]] = ExtractionOptions

    contract: JsonContract
    sampling: Sampling = field(default=Sampling(max_tokens=512))

    @classmethod
    def build(cls, options: ExtractionOptions, root: Path) -> Self:
        """Create the task; raises `ConfigError` for a schema that cannot be read or used."""
        path = root / options.schema_file
        contract = json_contract(path)
        if contract.schema.get("type") != "object":
            msg = f'{path}: the schema of a record needs `"type": "object"`'
            raise ConfigError(msg)
        return cls(contract)

    @property
    def constraint(self) -> Constraint:
        """JSON of the schema."""
        return Constraint(schema=self.contract.schema)

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs and `schema`, as JSON text."""
        return {**case.inputs, "schema": json.dumps(self.contract.schema, ensure_ascii=False)}

    def check(self, case: Case) -> str | None:
        """The expected record must satisfy the schema."""
        problem = self.contract.problem(case.expected)
        return f"expected breaks the schema: {problem}" if problem else None

    def score(self, reading: Reading, case: Case) -> Score:
        """Score the whole record and each of its fields."""
        names = dict.fromkeys((*self.contract.schema.get("properties", ()), *case.expected))
        wanted = {name: case.expected.get(name) for name in names}
        pairs = {
            name: (_field(expected, reading.strict, name), _field(expected, reading.lenient, name))
            for name, expected in wanted.items()
        }
        return Score(
            strict=_exact(reading.strict, [strict for strict, _ in pairs.values()]),
            lenient=_exact(reading.lenient, [lenient for _, lenient in pairs.values()]),
            fields=pairs,
        )


def _exact(record: JSON, counts: list[FieldCounts]) -> bool:
    return isinstance(record, dict) and not any(c.wrong or c.missed or c.invented for c in counts)


def _field(expected: JSON, record: JSON, name: str) -> FieldCounts:
    """Compare one field; an absent field and `null` both mean that there is no value."""
    actual = record.get(name) if isinstance(record, Mapping) else None
    if isinstance(expected, list):
        return _items(expected, actual if isinstance(actual, list) else [])
    if expected is None:
        return FieldCounts(invented=int(actual is not None))
    if actual is None:
        return FieldCounts(missed=1)
    return FieldCounts(right=1) if equal(expected, actual) else FieldCounts(wrong=1)


def _items(expected: list[JSON], actual: list[JSON]) -> FieldCounts:
    """Compare lists regardless of order; each expected item matches once."""
    left = list(actual)
    right = 0
    for item in expected:
        match = next((place for place, value in enumerate(left) if equal(item, value)), None)
        if match is not None:
            del left[match]
            right += 1
    wrong = min(len(left), len(expected) - right)
    return FieldCounts(right, wrong, missed=len(expected) - right - wrong, invented=len(left) - wrong)


TASK = ExtractionTask
