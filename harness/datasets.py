"""Golden datasets: `datasets/<name>/card.toml` and the cases, from JSONL, CSV, Parquet or the Hugging Face hub.

JSONL is read line by line, because a wrong row must be named by its line. Everything else comes through the Hugging
Face `datasets` library and the card's `[columns]`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.config import Names, Strict, hint, parse, read_toml
from harness.errors import DatasetError
from harness.types import Case

FOLDER = "datasets"
CARD = "card.toml"
COLUMNS = ("id", "inputs", "expected", "tags", "split", "label_source")
SHOWN = 8
"""How many bad rows one message names."""


class Columns(Strict):
    """`[columns]`: which column of the source holds what. `inputs` maps a template variable to a column."""

    id: str | None = None
    inputs: Mapping[str, str]
    expected: str
    tags: str | None = None
    split: str | None = None


class Card(Strict):
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
    columns: Columns | None = None


@dataclass(frozen=True)
class Dataset:
    """A golden dataset, read and checked. `digest` does not depend on the order of rows, nor on tags and splits."""

    name: str
    card: Card
    cases: tuple[Case, ...]
    path: Path

    @property
    def digest(self) -> str:
        """`sha256:…` over all cases."""
        return fingerprint(self.cases)

    def select(self, split: str | None = None, limit: int | None = None) -> tuple[Case, ...]:
        """The cases of a split, or the first `limit` of them; raises `DatasetError` where there are none."""
        if split is not None and not any(case.split for case in self.cases):
            split = None
        chosen = [case for case in self.cases if split is None or case.split == split]
        if not chosen:
            splits = sorted({case.split for case in self.cases})
            msg = f"{self.path}: no cases in split {split!r}{hint(split or '', splits)}"
            raise DatasetError(msg)
        return tuple(chosen[:limit])


def fingerprint(cases: Iterable[Case]) -> str:
    """`sha256:…` of a set of cases, in whatever order."""
    digest = hashlib.sha256()
    for one in sorted(case.digest for case in cases):
        digest.update(one.encode())
    return f"sha256:{digest.hexdigest()}"


def case_digest(case_id: str, inputs: Mapping[str, Any], expected: Any) -> str:
    """Hash of what is asked and what is expected."""
    row = json.dumps([case_id, inputs, expected], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(row.encode()).hexdigest()


def names(root: Path) -> list[str]:
    """The datasets of a project."""
    return sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{CARD}"))


def load(root: Path, name: str) -> Dataset:
    """`datasets/<name>`, validated; raises `DatasetError` that names file, line and field."""
    folder = root / FOLDER / name
    if not (folder / CARD).is_file():
        msg = f"no dataset {name!r}: {folder / CARD} does not exist{hint(name, names(root))}"
        raise DatasetError(msg)
    card = parse(Card, read_toml(folder / CARD), folder / CARD)
    source = card.source if card.source.startswith("hub:") else str(folder / card.source)
    problems: list[str] = []
    read = ((where, _case(where, row, card, problems)) for where, row in _rows(card, source))
    found = [(where, case) for where, case in read if case is not None]
    _check_together(found, problems)
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DatasetError("\n".join(problems[:SHOWN]) + more)
    if not found:
        msg = f"{source}: no rows: a golden dataset needs at least one case"
        raise DatasetError(msg)
    cases = tuple(case for _, case in found)
    return Dataset(card.name, card, cases, Path(source) if not source.startswith("hub:") else folder / CARD)


def _rows(card: Card, source: str) -> Iterator[tuple[str, Any]]:
    """(where, row) for every row; `where` is `file:line` or `file row n`."""
    if source.endswith(".jsonl"):
        yield from _jsonl_rows(Path(source), card)
        return
    if card.columns is None:
        msg = f"{source}: the card needs [columns] that say which column is expected and which are inputs"
        raise DatasetError(msg)
    for number, row in enumerate(_table(card, source), 1):
        yield f"{source} row {number}", _mapped(row, card.columns, number, source)


def _jsonl_rows(path: Path, card: Card) -> Iterator[tuple[str, Any]]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except UnicodeDecodeError as error:
                    msg = f"{path}:{number}: not UTF-8 text (byte {error.start} of the line): save the file as UTF-8"
                    raise DatasetError(msg) from None
                except json.JSONDecodeError as error:
                    msg = f"{path}:{number}: not valid JSON: {error.msg} at column {error.colno}"
                    raise DatasetError(msg) from None
                mapped = card.columns is not None and isinstance(row, dict)
                yield f"{path}:{number}", _mapped(row, card.columns, number, str(path)) if mapped else row
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise DatasetError(msg) from None


def _table(card: Card, source: str) -> Iterator[dict[str, Any]]:
    """The rows of a CSV, a Parquet file or a hub dataset, classes as their names."""
    import datasets  # noqa: PLC0415  slow to import
    from datasets import ClassLabel, load_dataset  # noqa: PLC0415

    datasets.disable_progress_bars()
    split = card.splits[0] if card.splits else None
    try:
        if source.startswith("hub:"):
            table = load_dataset(source.removeprefix("hub:"), card.config, split=split, revision=card.revision)
        elif source.endswith(".csv"):
            # pandas would make numbers of "1.0" and nothing of "NA": labels are text.
            table = load_dataset("csv", data_files=source, split="train", dtype=str, keep_default_na=False)
        elif source.endswith(".parquet"):
            table = load_dataset("parquet", data_files=source, split="train")
        else:
            msg = f"{source}: not a kind of dataset: .jsonl, .csv, .parquet or hub:org/name"
            raise DatasetError(msg)
    except DatasetError:
        raise
    except Exception as error:  # the library raises whatever its readers raise
        msg = f"{source}: cannot be loaded: {str(error).strip().splitlines()[0] if str(error) else error!r}"
        raise DatasetError(msg) from None
    if not hasattr(table, "column_names") or isinstance(table.column_names, dict):
        msg = f"{source}: has several splits ({', '.join(table)}): name one in the card's `splits`"
        raise DatasetError(msg)
    classes = {name: kind for name, kind in table.features.items() if isinstance(kind, ClassLabel)}
    for row in table:
        yield {key: classes[key].int2str(value) if key in classes else value for key, value in row.items()}


def _mapped(row: Mapping[str, Any], columns: Columns, number: int, source: str) -> dict[str, Any]:
    """A source's row in our columns."""

    def column(name: str) -> Any:
        if name not in row:
            msg = f"{source} row {number}: no column {name!r}{hint(name, row)}"
            raise DatasetError(msg)
        return row[name]

    mapped: dict[str, Any] = {
        "id": str(column(columns.id)) if columns.id else f"row-{number:05d}",
        "inputs": {variable: column(name) for variable, name in columns.inputs.items()},
        "expected": column(columns.expected),
    }
    if columns.tags:
        tags = column(columns.tags)
        mapped["tags"] = tags.split() if isinstance(tags, str) else tags
    if columns.split:
        mapped["split"] = column(columns.split)
    return mapped


def _case(where: str, row: Any, card: Card, problems: list[str]) -> Case | None:
    """One checked case; what is wrong with it goes to `problems`."""
    if not isinstance(row, dict):
        problems.append(f"{where}: a row is a JSON object, not {type(row).__name__}")
        return None
    found = [f"unknown column {name!r}{hint(name, COLUMNS)}" for name in row if name not in COLUMNS]
    found += [f"column {name!r} is missing" for name in ("id", "inputs", "expected") if name not in row]
    case_id, inputs, expected = row.get("id"), row.get("inputs"), row.get("expected")
    tags, split = row.get("tags", ()), row.get("split", "")
    if "id" in row and not (isinstance(case_id, str) and case_id.strip()):
        found.append(f"id must be a string that is not empty, not {case_id!r}")
    if "inputs" in row and not (isinstance(inputs, dict) and inputs):
        found.append(f"inputs must be an object with at least one value, not {inputs!r}")
    elif isinstance(inputs, dict):
        found += [f"input {name!r} is empty" for name, value in inputs.items() if value is None or _blank(value)]
    if "expected" in row and (expected is None or _blank(expected)):
        found.append("expected is empty")
    elif card.labels and isinstance(expected, str) and expected not in card.labels:
        found.append(f"expected {expected!r} is not among the card's labels{hint(expected, card.labels)}")
    if not (isinstance(tags, list | tuple) and all(isinstance(tag, str) for tag in tags)):
        found.append(f"tags must be a list of strings, not {tags!r}")
    elif card.tags:
        found += [f"tag {tag!r} is not in the card's [tags]{hint(tag, card.tags)}" for tag in tags if tag not in card.tags]
    if not isinstance(split, str) or (card.splits and card.columns is None and split not in card.splits):
        found.append(f"split {split!r} is not among the card's splits{hint(str(split), card.splits)}")
    source = row.get("label_source", card.label_source)
    if not isinstance(source, str):
        found.append(f"label_source must be a string, not {source!r}")
    if found:
        name = f" (case {case_id})" if isinstance(case_id, str) else ""
        problems.extend(f"{where}{name}: {problem}" for problem in found)
        return None
    return Case(case_id, inputs, expected, tuple(tags), split, source, case_digest(case_id, inputs, expected))


def _blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _check_together(found: Sequence[tuple[str, Case]], problems: list[str]) -> None:
    """What only shows between rows: ids given twice, the same inputs with different labels."""
    first_id: dict[str, str] = {}
    first_inputs: dict[str, tuple[str, Case]] = {}
    for where, case in found:
        earlier = first_id.setdefault(case.id, where)
        if earlier != where:
            problems.append(f"{where}: id {case.id!r} is already taken at {earlier}")
        inputs = json.dumps(case.inputs, sort_keys=True)
        other_where, other = first_inputs.setdefault(inputs, (where, case))
        if other.expected != case.expected:
            problems.append(
                f"{where} (case {case.id}): expected {case.expected!r}, but {other_where} (case {other.id}) has the "
                f"same inputs with {other.expected!r}"
            )
