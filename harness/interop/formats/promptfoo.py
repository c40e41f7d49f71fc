"""promptfoo: `results.json`, as `promptfoo eval -o` writes it (version 3; 2 has the same rows).

A file has every provider and every prompt: one of each is chosen with `--where provider=` and `--where prompt=`, by id
or label. Right is what `gradingResult.pass` says, or `success`. What is expected is the value of an `equals` assertion
where there is exactly one, else only that it passes. A call that failed (`failureReason` 2) is an error, not a wrong
answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness.backends.openai_responses import count
from harness.core.errors import ConfigError
from harness.interop.rows import (
    ColumnSelection,
    ImportedRow,
    RowFilter,
    as_text,
    case_id,
    column,
    is_true,
    listed,
    strings,
)
from harness.interop.source import SourceFile

ERROR = 2
"""promptfoo's `failureReason` of a call that failed; 1 is an assertion that was not met."""
MOST_MS = 1e12
"""No call takes longer: a whole number can be too large for any time."""
_EQUAL = frozenset({"equals", "iequals"})


def fits(source: SourceFile) -> bool:
    """A document with `results`, which holds the rows or has them in it."""
    return _rows(source.first) is not None


def title(source: SourceFile) -> str:
    """What the questions are called: the file's name."""
    return source.stem


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """One row a test; raises `ConfigError` where a choice is still to be made."""
    selection, taken = RowFilter(wanted.where), []
    for number, raw in enumerate(_rows(source.document) or [], 1):
        where = f"{source.path}: result {number}"
        if not isinstance(raw, dict):
            msg = f"{where}: a result is a JSON object, not {type(raw).__name__}"
            raise ConfigError(msg)
        row = _flat(raw, wanted.where)
        if selection.takes(row):
            taken.append((where, row))
    selection.check(str(source.path), len(taken))
    for name in ("provider", "prompt"):
        there = Counter(as_text(row[name]) for _, row in taken)
        if len(there) > 1:
            msg = f"{source.path}: several {name}s: choose with --where {name}=…; there are {listed(there)}"
            raise ConfigError(msg)
    for where, row in taken:
        yield _row(row, wanted, where)


def _rows(document: Mapping[str, Any]) -> list[Any] | None:
    found = document.get("results")
    found = found.get("results") if isinstance(found, dict) else found
    if not isinstance(found, list):
        return None
    first = found[0] if found else {"success": None}
    return found if isinstance(first, dict) and ("provider" in first or "success" in first) else None


def _flat(raw: Mapping[str, Any], where: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The row, with the name of its provider and of its prompt in place of the objects: the one that was asked for."""
    asked = dict(where)
    provider, prompt = raw.get("provider", ""), raw.get("prompt", "")
    return {
        **raw,
        "provider": _name(provider, ("label", "id"), asked.get("provider")),
        "prompt": _name(prompt, ("label", "raw"), asked.get("prompt")),
    }


def _name(value: Any, keys: tuple[str, ...], asked: str | None) -> str:
    if not isinstance(value, dict):
        return as_text(value)
    names = [as_text(value[key]) for key in keys if value.get(key)]
    return asked if asked in names else next(iter(names), "")


def _row(row: Mapping[str, Any], wanted: ColumnSelection, where: str) -> ImportedRow:
    response = row.get("response")
    response = response if isinstance(response, dict) else {}
    usage = response.get("tokenUsage")
    usage = usage if isinstance(usage, dict) else {}
    output = response.get("output")
    failed = row.get("failureReason") == ERROR or bool(response.get("error"))
    error = as_text(row.get("error") or response.get("error") or "the call failed") if failed else ""
    expected = column(row, wanted.expected, where) if wanted.expected else _equal(row)
    test = case_id(column(row, wanted.id, where), where) if wanted.id else f"test-{as_text(row.get('testIdx', where))}"
    return ImportedRow(
        where=where,
        id=test,
        inputs=_inputs(row, wanted, where),
        expected=expected,
        reply=None if failed or output is None else as_text(output),
        allowed=strings(column(row, wanted.allowed, where), wanted.allowed, where) if wanted.allowed else (),
        right=None if failed else _right(row, wanted, where),
        measure=wanted.correct or "pass",
        tags=strings(column(row, wanted.tags, where), wanted.tags, where) if wanted.tags else (),
        error=error,
        latency_s=_seconds(row.get("latencyMs")),
        prompt_tokens=count(usage.get("prompt")),
        completion_tokens=count(usage.get("completion")),
        model=as_text(row["provider"]),
    )


def _inputs(row: Mapping[str, Any], wanted: ColumnSelection, where: str) -> Mapping[str, Any]:
    """The variables of the test: the same whatever provider was asked."""
    if wanted.inputs:
        return {name: column(row, name, where) for name in wanted.inputs}
    found = row.get("vars")
    return found if isinstance(found, dict) else {}


def _right(row: Mapping[str, Any], wanted: ColumnSelection, where: str) -> tuple[bool, bool]:
    grading = row.get("gradingResult")
    given = grading.get("pass") if isinstance(grading, dict) and "pass" in grading else row.get("success")
    value = column(row, wanted.correct, where) if wanted.correct else given
    right = is_true(value, wanted.correct or "success", where)
    return right, right


def _equal(row: Mapping[str, Any]) -> Any:
    """The answer that the test demands, where it demands exactly one."""
    test = row.get("testCase")
    asserted = test.get("assert") if isinstance(test, dict) else None
    found = [a.get("value") for a in asserted or [] if isinstance(a, dict) and a.get("type") in _EQUAL]
    return found[0] if len(found) == 1 and isinstance(found[0], str) and "{{" not in found[0] else None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value / 1000 if is_number and 0 < value <= MOST_MS else None
