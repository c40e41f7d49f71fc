"""Plain JSONL, packed with gzip or not: one answer a line, its columns named on the command line.

A row whose reply (or whose `--correct`) is null was not answered: it is an error, never a wrong answer.
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
    """Whatever has an object in its first line, and is nothing else."""
    return bool(source.first)


def title(source: SourceFile) -> str:
    """What the questions are called: the file's name."""
    return source.stem


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """One row a line that is meant; raises `ConfigError` with the line's number."""
    if not wanted.reply and not wanted.correct:
        msg = f"{source.path}: which column is the reply? Name it with --reply, or use --correct"
        raise ConfigError(msg)
    if not wanted.expected and not wanted.correct:
        msg = f"{source.path}: what is right? Name the column of the expected answer with --expected, or use --correct"
        raise ConfigError(msg)
    selection, taken = RowFilter(wanted.where), 0
    model = next((value for name, value in wanted.where if name.rpartition(".")[2] in {"model", "model_name"}), "")
    for where, row in source.lines():
        if selection.takes(row):
            taken += 1
            yield _row(row, wanted, where, model)
    selection.check(str(source.path), taken)


def _row(row: Mapping[str, Any], wanted: ColumnSelection, where: str, model: str) -> ImportedRow:
    reply = column(row, wanted.reply, where) if wanted.reply else None
    correct = column(row, wanted.correct, where) if wanted.correct else None
    missing = [name for name, value in ((wanted.reply, reply), (wanted.correct, correct)) if name and value is None]
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
