"""Sources of golden cases: JSONL, CSV and Parquet files, and the Hugging Face hub.

JSONL and CSV are read line by line, so that an error can name the line. Parquet files and hub datasets are read by the
Hugging Face `datasets` library. `[columns]` in the card maps the columns of a source to the fields of a case.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import DatasetError
from harness.core.extras import needed
from harness.core.toml import hint
from harness.project.dataset_card import Card, ColumnMapping

RESERVED = ("id", "expected", "tags", "split", "cluster", "label_source")
"""Columns that are never left out silently: their names say that they belong to the case."""


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that cannot be read. `problem`: what is wrong, with file and line."""

    problem: str


@dataclass(frozen=True, slots=True)
class _SourceRow:
    """Unmapped row, or an `InvalidRow`. `where` is `file:line`, or the row number if the source has no lines."""

    where: str
    values: Any
    split: str | None = None


def rows(card: Card, source: str) -> Iterator[tuple[str, Any]]:
    """Yield (location, row with the fields of a case) for each row; raises `DatasetError`.

    In place of a row that cannot be read, an `InvalidRow`.
    """
    if source.startswith("hub:") or source.endswith(".parquet"):
        source_rows = _library_rows(card, source)
    elif source.endswith(".csv"):
        source_rows = _csv_rows(Path(source))
    elif source.endswith(".jsonl"):
        source_rows = _jsonl_rows(Path(source))
    else:
        msg = f"{source}: unsupported source: use .jsonl, .csv, .parquet or hub:org/name"
        raise DatasetError(msg)
    if card.columns is None:
        if not source.endswith(".jsonl"):
            msg = f"{source}: add [columns] to card.toml with the keys inputs and expected"
            raise DatasetError(msg)
        yield from ((row.where, row.values) for row in source_rows)
        return
    seen: Counter[str] = Counter()
    is_checked = source.startswith("hub:") or source.endswith(".parquet")  # only the card's columns are read
    for row in source_rows:
        if not is_checked and isinstance(row.values, dict):
            is_checked = True
            yield from ((row.where, InvalidRow(f"{source}: {each}")) for each in _left_out(row.values, card.columns))
        values = _case_fields(row, card.columns, seen) if isinstance(row.values, dict) else row.values
        yield row.where, values
        if isinstance(row.values, dict) and isinstance(values, InvalidRow) and not source.endswith(".jsonl"):
            return  # a table lacks the column in every row


def _left_out(columns: Iterable[str], mapping: ColumnMapping) -> Iterator[str]:
    """Messages on columns that would be left out silently."""
    for name in RESERVED:
        if name in columns and name not in mapping.used and name not in mapping.ignore:
            key = name if name in ColumnMapping.model_fields else ""
            add = f'{key} = "{name}" or ' if key and getattr(mapping, key) is None else ""
            yield f'column {name!r} is not used: add {add}ignore = ["{name}"] to [columns] of card.toml'


def _jsonl_rows(path: Path) -> Iterator[_SourceRow]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _SourceRow(f"{path}:{number}", _json(line.rstrip(b"\n"), f"{path}:{number}"))
    except OSError as error:
        raise _unreadable(path, error) from None


def unread_columns(card: Card, source: str) -> list[str]:
    """The columns of a CSV file that the card does not name; raises `DatasetError` for an unreadable file."""
    if not source.endswith(".csv") or card.columns is None:
        return []
    first = next((row.values for row in _csv_rows(Path(source)) if isinstance(row.values, dict)), {})
    return [name for name in first if name not in {*card.columns.used, *card.columns.ignore}]


def _json(line: bytes, where: str) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        msg = f"{where}: not UTF-8 text (byte {error.start + 1} of the line): save the file as UTF-8"
    except json.JSONDecodeError as error:
        msg = f"{where}: not valid JSON: {error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        msg = f"{where}: not valid JSON: {error}"
    return InvalidRow(msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        msg = f"duplicate key {repeated!r} in one object"
        raise ValueError(msg)
    return value


def _constant(name: str) -> Any:
    msg = f"{name} is not a JSON value"
    raise ValueError(msg)


def _csv_rows(path: Path) -> Iterator[_SourceRow]:
    """Read every cell as text. Type guessing would turn the label `1.0` into a number and `NA` into null."""
    raw = _read(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text (byte {raw[error.start]:#04x}): save the file as UTF-8"
        raise DatasetError(msg) from None
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            where, line = f"{path}:{line}", reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = cells
                if repeated := [name for name, count in Counter(header).items() if count > 1]:
                    msg = f"{where}: duplicate column {repeated[0]!r}"
                    raise DatasetError(msg)
            elif len(cells) != len(header):
                msg = f"{where}: {len(cells)} cells for {len(header)} columns: put text with commas in quotation marks"
                yield _SourceRow(where, InvalidRow(msg))
            else:
                yield _SourceRow(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        yield _SourceRow(f"{path}:{line}", InvalidRow(f"{path}:{line}: not valid CSV: {error}"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{path}: cannot be read: {error.strerror}")


def _library_rows(card: Card, source: str) -> Iterator[_SourceRow]:
    """Rows of a Parquet file or of hub splits, with class numbers replaced by names."""
    for split, table in _tables(card, source).items():
        classes = {name: kind for name, kind in table.features.items() if hasattr(kind, "int2str")}
        place = f"{source} split {split}" if split else source
        for number, row in enumerate(table, 1):
            values = {key: _named(classes[key], value) if key in classes else value for key, value in row.items()}
            yield _SourceRow(f"{place} row {number}", values, split)


def _named(kind: Any, value: int | None) -> str | None:
    """Name of a class. On the hub, -1 marks a row without a label."""
    return None if value is None or value < 0 else str(kind.int2str(value))


def _tables(card: Card, source: str) -> dict[str | None, Any]:
    """Load the tables with the Hugging Face library: split -> table."""
    with needed("datasets", f"{source}: Parquet files and hub datasets need the package datasets"):
        # Imported by name, because type checkers confuse the library with a project's folder `datasets`.
        datasets: Any = importlib.import_module("datasets")
        if (
            getattr(datasets, "__file__", None) is None
        ):  # the folder `datasets` is imported if the package is not installed
            raise ModuleNotFoundError(name="datasets")
    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(logging.CRITICAL)  # the same errors are raised below
    datasets.disable_progress_bars()
    try:
        if not source.startswith("hub:"):
            return {None: _selected(datasets.load_dataset("parquet", data_files=source, split="train"), card, source)}
        splits = datasets.load_dataset(source.removeprefix("hub:"), card.config, revision=card.revision)
    except DatasetError:
        raise
    except Exception as error:  # noqa: BLE001  the library passes on any exception of its readers
        if "corresponds to no data" in str(error):  # the library's message for zero rows
            return {}
        cause = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        msg = f"{source}: cannot be loaded: {cause[0]}"
        raise DatasetError(msg) from None
    finally:
        datasets.logging.set_verbosity(verbosity)
    by_column = card.columns is not None and card.columns.split is not None
    wanted = list(splits) if by_column or (len(splits) == 1 and not card.splits) else list(card.splits)
    if not wanted:
        msg = f"{source}: several splits ({', '.join(splits)}): name the splits to use in `splits` of card.toml"
        raise DatasetError(msg)
    for split in wanted:
        if split not in splits:
            msg = f"{source}: no split {split!r}{hint(split, splits)}: correct `splits` in card.toml"
            raise DatasetError(msg)
    return {split if card.splits else None: _selected(splits[split], card, source) for split in wanted}


def _selected(table: Any, card: Card, source: str) -> Any:
    """Select the columns that the card names, so that no others (images, audio) are decoded."""
    columns = card.columns
    if columns is None:
        return table
    for name in columns.used:
        if name not in table.column_names:
            msg = f"{source}: no column {name!r}{hint(name, table.column_names)}: correct [columns] in card.toml"
            raise DatasetError(msg)
    return table.select_columns(list(columns.used))


def _case_fields(row: _SourceRow, columns: ColumnMapping, seen: Counter[str]) -> dict[str, Any] | InvalidRow:
    """Map a row to the fields of a case. Without an id column, the id is a hash of the inputs."""
    for name in columns.used:
        if name not in row.values:
            return InvalidRow(f"{row.where}: no column {name!r}{hint(name, row.values)}")
    column = row.values.__getitem__

    mapped: dict[str, Any] = {"inputs": {variable: column(name) for variable, name in columns.inputs.items()}}
    if columns.id:
        value = column(columns.id)
        mapped["id"] = str(value) if isinstance(value, int) else value
    else:
        content = hashlib.sha256(json.dumps(mapped["inputs"], sort_keys=True, default=str).encode()).hexdigest()[:10]
        seen[content] += 1
        mapped["id"] = f"row-{content}" + (f"-{seen[content]}" if seen[content] > 1 else "")
    mapped["expected"] = column(columns.expected)
    if columns.tags:
        tags = column(columns.tags) or ()
        mapped["tags"] = tags.split() if isinstance(tags, str) else tags
    if columns.split:
        mapped["split"] = column(columns.split)
    elif row.split:
        mapped["split"] = row.split
    if columns.cluster:
        cluster = column(columns.cluster)
        mapped["cluster"] = str(cluster) if isinstance(cluster, int) else cluster or ""
    return mapped
