"""Where golden cases come from: JSONL, CSV and Parquet files, and the Hugging Face hub.

JSONL and CSV are read line by line, because a wrong row must be named by its line. Parquet and the hub come through
the Hugging Face `datasets` library. The card's `[columns]` say what a source's columns are to us.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.core.errors import DatasetError
from harness.core.extras import needed
from harness.core.toml import Names, StrictModel, hint


class ColumnMapping(StrictModel):
    """`[columns]`: which column of the source holds what. `inputs` maps a template variable to a column."""

    id: str | None = None
    inputs: Mapping[str, str]
    expected: str
    tags: str | None = None
    split: str | None = None


class Card(StrictModel):
    """`card.toml`: where the cases and their labels come from."""

    name: str
    description: str
    licence: str
    label_source: str
    labels: Names = ()
    splits: Names = ()
    tags: Mapping[str, str] = Field(default_factory=dict)
    guidelines: str = ""
    provenance: str = ""
    source: str = "cases.jsonl"
    revision: str | None = None
    config: str | None = None
    columns: ColumnMapping | None = None


@dataclass(frozen=True, slots=True)
class _SourceRow:
    """One row as its source has it. `where` is `file:line`, or the row's number where there are no lines."""

    where: str
    values: Any
    split: str | None = None


def rows(card: Card, source: str) -> Iterator[tuple[str, Any]]:
    """(where, row in our columns) for every row."""
    if source.startswith("hub:") or source.endswith(".parquet"):
        found = _library_rows(card, source)
    elif source.endswith(".csv"):
        found = _csv_rows(Path(source))
    elif source.endswith(".jsonl"):
        found = _jsonl_rows(Path(source))
    else:
        msg = f"{source}: not a kind of dataset: .jsonl, .csv, .parquet or hub:org/name"
        raise DatasetError(msg)
    if card.columns is None:
        if not source.endswith(".jsonl"):
            msg = f"{source}: the card needs [columns] that say which column is expected and which are inputs"
            raise DatasetError(msg)
        yield from ((row.where, row.values) for row in found)
        return
    seen: Counter[str] = Counter()
    for row in found:
        yield row.where, _mapped(row, card.columns, seen) if isinstance(row.values, dict) else row.values


def _jsonl_rows(path: Path) -> Iterator[_SourceRow]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _SourceRow(f"{path}:{number}", _json(line.rstrip(b"\n"), f"{path}:{number}"))
    except OSError as error:
        raise _unreadable(path, error) from None


def _json(line: bytes, where: str) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        msg = f"{where}: not UTF-8 text (byte {error.start + 1} of the line): save the file as UTF-8"
    except json.JSONDecodeError as error:
        msg = f"{where}: not valid JSON: {error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        msg = f"{where}: not valid JSON: {error}"
    raise DatasetError(msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        msg = f"key {twice!r} stands twice in one object"
        raise ValueError(msg)
    return made


def _constant(name: str) -> Any:
    msg = f"{name} is no JSON value"
    raise ValueError(msg)


def _csv_rows(path: Path) -> Iterator[_SourceRow]:
    """Every cell is text: no reader that guesses types may make a number of the label `1.0` or nothing of `NA`."""
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
                if twice := [name for name, count in Counter(header).items() if count > 1]:
                    msg = f"{where}: column {twice[0]!r} stands twice"
                    raise DatasetError(msg)
            elif len(cells) != len(header):
                msg = f"{where}: {len(cells)} cells for {len(header)} columns: a text with commas needs quotation marks"
                raise DatasetError(msg)
            else:
                yield _SourceRow(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        msg = f"{path}:{line}: not valid CSV: {error}"
        raise DatasetError(msg) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{path}: cannot be read: {error.strerror}")


def _library_rows(card: Card, source: str) -> Iterator[_SourceRow]:
    """The rows of a Parquet file or of a hub dataset's splits, classes as their names."""
    for split, table in _tables(card, source).items():
        classes = {name: kind for name, kind in table.features.items() if hasattr(kind, "int2str")}
        place = f"{source} split {split}" if split else source
        for number, row in enumerate(table, 1):
            values = {key: _named(classes[key], value) if key in classes else value for key, value in row.items()}
            yield _SourceRow(f"{place} row {number}", values, split)


def _named(kind: Any, value: int | None) -> str | None:
    """A class's name. The hub marks a row without a label with -1."""
    return None if value is None or value < 0 else str(kind.int2str(value))


def _tables(card: Card, source: str) -> dict[str | None, Any]:
    """Split -> table, by the Hugging Face library."""
    with needed("datasets", f"{source}: Parquet files and hub datasets need the package datasets"):
        # Slow to import; and by name, because type checkers take a project's folder `datasets` for it.
        datasets: Any = importlib.import_module("datasets")
        if getattr(datasets, "__file__", None) is None:  # Python, too, if the package is not installed
            raise ModuleNotFoundError(name="datasets")
    was = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(logging.CRITICAL)  # it would log what we are about to raise
    datasets.disable_progress_bars()
    try:
        if not source.startswith("hub:"):
            return {None: _wanted(datasets.load_dataset("parquet", data_files=source, split="train"), card, source)}
        found = datasets.load_dataset(source.removeprefix("hub:"), card.config, revision=card.revision)
    except DatasetError:
        raise
    except Exception as error:  # noqa: BLE001  the library raises whatever its readers raise
        if "corresponds to no data" in str(error):  # its words for zero rows
            return {}
        cause = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        msg = f"{source}: cannot be loaded: {cause[0]}"
        raise DatasetError(msg) from None
    finally:
        datasets.logging.set_verbosity(was)
    by_column = card.columns is not None and card.columns.split is not None
    wanted = list(found) if by_column or (len(found) == 1 and not card.splits) else list(card.splits)
    if not wanted:
        msg = f"{source}: has several splits ({', '.join(found)}): say in the card's `splits` which of them to use"
        raise DatasetError(msg)
    for split in wanted:
        if split not in found:
            msg = f"{source}: no split {split!r}{hint(split, found)}: mend the card's `splits`"
            raise DatasetError(msg)
    return {split if card.splits else None: _wanted(found[split], card, source) for split in wanted}


def _wanted(table: Any, card: Card, source: str) -> Any:
    """Only the columns that the card names: what else there is (images, sound) need not be decoded."""
    columns = card.columns
    if columns is None:
        return table
    names = [columns.id, *columns.inputs.values(), columns.expected, columns.tags, columns.split]
    for name in filter(None, names):
        if name not in table.column_names:
            msg = f"{source}: no column {name!r}{hint(name, table.column_names)}: mend the card's [columns]"
            raise DatasetError(msg)
    return table.select_columns(list(dict.fromkeys(filter(None, names))))


def _mapped(row: _SourceRow, columns: ColumnMapping, seen: Counter[str]) -> dict[str, Any]:
    """A source's row in our columns. Without an id column the inputs make the id, so that it stays with its row."""

    def column(name: str) -> Any:
        if name not in row.values:
            msg = f"{row.where}: no column {name!r}{hint(name, row.values)}"
            raise DatasetError(msg)
        return row.values[name]

    mapped: dict[str, Any] = {"inputs": {variable: column(name) for variable, name in columns.inputs.items()}}
    if columns.id:
        given = column(columns.id)
        mapped["id"] = str(given) if isinstance(given, int) else given
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
    return mapped
