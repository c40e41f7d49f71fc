"""Import plain JSONL, optionally gzipped: one answer per line. Options of the command name the columns.

A row with a null reply (or a null `--correct` value) is a failed call, or with `--null wrong` a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.core.errors import ConfigError
from harness.interop.rows import (
    ColumnSelection,
    ImportedRow,
    RowFilter,
    as_text,
    case_id,
    column,
    dig,
    is_true,
    strings,
)
from harness.interop.source import SourceFile


def fits(source: SourceFile) -> bool:
    """Return whether the first line is a JSON object. Other formats are tried first."""
    return bool(source.first)


def title(source: SourceFile) -> str:
    """Return the file name without its extension."""
    return source.stem


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """Yield one row per selected line; raises `ConfigError` with the line number."""
    if not wanted.reply and not wanted.correct:
        msg = f"{source.path}: no reply column given: name it with --reply, or use --correct"
        raise ConfigError(msg)
    if not wanted.expected and not wanted.correct:
        msg = f"{source.path}: no expected answer given: name its column with --expected, or use --correct"
        raise ConfigError(msg)
    selection, n_matched = RowFilter(wanted.where), 0
    model = next((value for name, value in wanted.where if name.rpartition(".")[2] in {"model", "model_name"}), "")
    for where, row in source.lines():
        if selection.matches(row):
            n_matched += 1
            yield _row(row, wanted, where, model)
    selection.check(str(source.path), n_matched)


def _row(row: Mapping[str, Any], wanted: ColumnSelection, where: str, model: str) -> ImportedRow:
    reply = column(row, wanted.reply, where) if wanted.reply else None
    correct = column(row, wanted.correct, where) if wanted.correct else None
    missing = [name for name, value in ((wanted.reply, reply), (wanted.correct, correct)) if name and value is None]
    if missing and wanted.null == "wrong":
        reply, correct = "" if reply is None else reply, False if wanted.correct else None
        missing = []
    return ImportedRow(
        where=where,
        id=case_id(column(row, wanted.id or "id", where), where),
        inputs={name: column(row, name, where) for name in wanted.inputs},
        expected=column(row, wanted.expected, where) if wanted.expected else None,
        reply=None if reply is None else as_text(reply),
        allowed=strings(column(row, wanted.allowed, where), wanted.allowed, where) if wanted.allowed else (),
        right=None if correct is None else _right(correct, wanted.correct or "", where),
        tags=_tags(row, wanted.tags, where) if wanted.tags else (),
        error=f"{missing[0]} is null in the file" if missing else "",
        truncated=any(value is True for value in dig(row, "truncated")),
        model=model,
    )


def _right(value: Any, name: str, where: str) -> tuple[bool, bool]:
    right = is_true(value, name, where)
    return right, right


def _tags(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = column(row, name, where)
    return () if value is None else strings(value if isinstance(value, list) else as_text(value), name, where)
