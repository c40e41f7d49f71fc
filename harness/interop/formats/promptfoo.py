"""Import from promptfoo: `results.json`, written by `promptfoo eval -o`. Tested with versions 2 and 3.

A file holds all providers and prompts. `--where provider=` and `--where prompt=` choose one of each, by id or label.
The score is `gradingResult.pass`, or else `success`. The expected answer is the value of the only `equals` assertion;
otherwise a test only has to pass. A failed call (`failureReason` 2) is an error, not a wrong answer.
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
"""promptfoo's `failureReason` for a failed call; 1 is a failed assertion."""
MOST_MS = 1e12
"""Longest accepted latency, in milliseconds. Larger integers could overflow a float."""
_EQUAL = frozenset({"equals", "iequals"})


def fits(source: SourceFile) -> bool:
    """Return whether the document has promptfoo's `results`."""
    return _rows(source.first) is not None


def title(source: SourceFile) -> str:
    """Return the file name without its extension."""
    return source.stem


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """Yield one row per test; raises `ConfigError` if several providers or prompts match."""
    selection, matched = RowFilter(wanted.where), []
    for number, raw in enumerate(_rows(source.document) or [], 1):
        where = f"{source.path}: result {number}"
        if not isinstance(raw, dict):
            msg = f"{where}: a result is a JSON object, not {type(raw).__name__}"
            raise ConfigError(msg)
        row = _flat(raw, wanted.where)
        if selection.matches(row):
            matched.append((where, row))
    selection.check(str(source.path), len(matched))
    for name in ("provider", "prompt"):
        counts = Counter(as_text(row[name]) for _, row in matched)
        if len(counts) > 1:
            msg = f"{source.path}: several {name}s: choose with --where {name}=…; the file has {listed(counts)}"
            raise ConfigError(msg)
    for where, row in matched:
        yield _row(row, wanted, where)


def _rows(document: Mapping[str, Any]) -> list[Any] | None:
    rows = document.get("results")
    rows = rows.get("results") if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        return None
    first = rows[0] if rows else {"success": None}
    return rows if isinstance(first, dict) and ("provider" in first or "success" in first) else None


def _flat(raw: Mapping[str, Any], where: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Replace the provider and prompt objects by a name: the name given with `--where` if it matches."""
    wanted = dict(where)
    provider, prompt = raw.get("provider", ""), raw.get("prompt", "")
    return {
        **raw,
        "provider": _name(provider, ("label", "id"), wanted.get("provider")),
        "prompt": _name(prompt, ("label", "raw"), wanted.get("prompt")),
    }


def _name(value: Any, keys: tuple[str, ...], wanted: str | None) -> str:
    if not isinstance(value, dict):
        return as_text(value)
    names = [as_text(value[key]) for key in keys if value.get(key)]
    return wanted if wanted in names else next(iter(names), "")


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
    """Inputs of the test: its variables, which do not depend on the provider."""
    if wanted.inputs:
        return {name: column(row, name, where) for name in wanted.inputs}
    variables = row.get("vars")
    return variables if isinstance(variables, dict) else {}


def _right(row: Mapping[str, Any], wanted: ColumnSelection, where: str) -> tuple[bool, bool]:
    grading = row.get("gradingResult")
    recorded = grading.get("pass") if isinstance(grading, dict) and "pass" in grading else row.get("success")
    value = column(row, wanted.correct, where) if wanted.correct else recorded
    right = is_true(value, wanted.correct or "success", where)
    return right, right


def _equal(row: Mapping[str, Any]) -> Any:
    """Value of the test's only `equals` assertion, else `None`."""
    test = row.get("testCase")
    asserted = test.get("assert") if isinstance(test, dict) else None
    values = [a.get("value") for a in asserted or [] if isinstance(a, dict) and a.get("type") in _EQUAL]
    return values[0] if len(values) == 1 and isinstance(values[0], str) and "{{" not in values[0] else None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value / 1000 if is_number and 0 < value <= MOST_MS else None
