"""A review sheet as CSV, and labels read back from the CSV or from the JSON that the page saves.

    {"format": "harness-review/1", "sheet", "reviewer", "labels": [{"item", "label", "correct", "note", "at"}, ...]}

Of a CSV the columns sheet, item, label, correct, note and reviewer are read, whatever else there is; a row without a
label is not labelled yet. History of the format: 1 first version.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.formatting import inputs_text, value_text
from harness.monitor.sampling import SampledCall
from harness.monitor.sheets import RIGHT, UNCLEAR, WRONG, Sheet, SheetLabel
from harness.report.formats.csv import table

FORMAT = "harness-review/1"

COLUMNS = ("sheet", "item", "task", "choices", "input", "label", "correct", "note", "reviewer", "reply", "read_as")
"""What was said stands last, so that a label is given before it is seen."""

ENDINGS = (".csv", ".json")
DIGITS = 10
"""No sheet has items of so many digits."""

NAME = 100
"""Characters of a name that are kept."""

_UNCLEAR = {UNCLEAR, "unclear", "can't tell"}
_OTHER_WORDS = {"r": RIGHT, "w": WRONG, "1": RIGHT, "2": WRONG}
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """One file. `rows`: (where it stands, item, label, correct, note), as they are there."""

    path: Path
    sheet: str
    reviewer: str
    rows: tuple[tuple[str, int, str, str, str], ...]


def csv_of(sheet: Sheet, drawn: Sequence[SampledCall]) -> str:
    """The sheet for a spreadsheet, which shows what customers and models wrote and runs none of it."""
    return table(COLUMNS, (_row(sheet, one) for one in drawn))


def choices(sheet: Sheet, task: str) -> tuple[str, ...]:
    """What may be said of a reply of this task."""
    return sheet.choices.get(task) or (RIGHT, WRONG)


def read(path: Path) -> LabelFile:
    """A labelled file; raises `ConfigError` with the line where it is wrong."""
    if path.suffix.lower() not in ENDINGS:
        msg = f"{path}: labels are read from {' or '.join(ENDINGS)}: save them on the label page, or fill in the CSV"
        raise ConfigError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path}: not UTF-8 text: save it as CSV UTF-8"
        raise ConfigError(msg) from None
    found = _read_json(path, text) if path.suffix.lower() == ".json" else _read_csv(path, text)
    if not found.rows:
        msg = f"{path}: nothing is labelled in it yet"
        raise ConfigError(msg)
    return found


def labels(file: LabelFile, sheet: Sheet, reviewer: str) -> list[SheetLabel]:
    """What a file says of a sheet, checked against it; raises `ConfigError`."""
    items = {item.item: item for item in sheet.items}
    found: dict[int, SheetLabel] = {}
    for place, number, label, correct, note in file.rows:
        if number not in items:
            msg = f"{place} item {number} is not in sheet {sheet.sheet}, which has {len(items)}"
            raise ConfigError(msg)
        if number in found:
            msg = f"{place} item {number} is labelled twice"
            raise ConfigError(msg)
        item = items[number]
        # in a CSV a text of several lines makes the lines others than the rows that a spreadsheet shows
        known = _label(label, choices(sheet, item.task), f"{place} item {number}:")
        found[number] = SheetLabel(number, reviewer, known, correct, note)
    return list(found.values())


def _row(sheet: Sheet, one: SampledCall) -> list[Any]:
    call = one.call
    shown = " | ".join((*choices(sheet, call.task), UNCLEAR))
    asked = inputs_text(call.inputs or {})
    return [
        sheet.sheet,
        one.item,
        call.task,
        shown,
        asked,
        "",
        "",
        "",
        "",
        call.reply or "",
        value_text(call.value),
    ]


def _label(label: str, known: Sequence[str], place: str) -> str:
    """A label as the sheet has it; upper and lower case are the same where that leaves no doubt."""
    bare = label.removeprefix("'")  # what our CSV puts before a formula
    for said in (label, bare):
        if said in known:
            return said
        alike = [one for one in known if one.casefold() == said.casefold()]
        if len(alike) == 1:
            return alike[0]
    if label.casefold() in _UNCLEAR:
        return UNCLEAR
    if tuple(known) == (RIGHT, WRONG) and label.casefold() in _OTHER_WORDS:
        return _OTHER_WORDS[label.casefold()]
    near = get_close_matches(label, known, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    msg = f"{place} label {label!r:.60} is none of {', '.join(known)} or {UNCLEAR}{meant}"
    raise ConfigError(msg)


def _read_json(path: Path, text: str) -> LabelFile:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of five thousand digits is a ValueError, too
        where = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        msg = f"{path}{where}: not valid JSON: save it on the label page anew"
        raise ConfigError(msg) from None
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        kind = content.get("format") if isinstance(content, Mapping) else None
        msg = f"{path}: format {kind!r:.40} is not {FORMAT}"
        raise ConfigError(msg)
    entries = content.get("labels")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        msg = f"{path}: labels: is no list of labels"
        raise ConfigError(msg)
    rows = []
    for place, entry in enumerate(entries, 1):
        where = f"{path}: label {place}:"
        number = entry.get("item")
        if not isinstance(number, int) or isinstance(number, bool):
            msg = f"{where} item {number!r:.40} is no number"
            raise ConfigError(msg)
        label, correct, note = (_text(entry.get(name, "")) for name in ("label", "correct", "note"))
        if label:
            rows.append((where, number, label, correct, note))
    return LabelFile(path, _name(content.get("sheet", "")), _name(content.get("reviewer", "")), tuple(rows))


def _read_csv(path: Path, text: str) -> LabelFile:
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)  # spreadsheets write what their country writes
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        missing = [name for name in ("sheet", "item", "label") if name not in (reader.fieldnames or ())]
        if missing:
            msg = f"{path}:1: no column {missing[0]!r}: keep the header of the sheet as it was"
            raise ConfigError(msg)
        rows = list(_csv_rows(path, reader))
    except csv.Error as error:
        msg = f"{path}: cannot be read as CSV: {error}"
        raise ConfigError(msg) from None
    sheets = {sheet for sheet, _, _ in rows}
    if len(sheets) > 1:
        msg = f"{path}: holds rows of several sheets: {', '.join(sorted(sheets))}; one file a sheet"
        raise ConfigError(msg)
    reviewers = {reviewer for _, reviewer, _ in rows if reviewer}
    if len(reviewers) > 1:
        msg = f"{path}: holds labels of several reviewers: {', '.join(sorted(reviewers))}; one file each"
        raise ConfigError(msg)
    labelled = tuple(row for _, _, row in rows)
    return LabelFile(path, _name(next(iter(sheets), "")), _name(next(iter(reviewers), "")), labelled)


def _csv_rows(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[str, str, tuple[str, int, str, str, str]]]:
    """The rows that have a label, each with its sheet and its reviewer."""
    for row in reader:
        said = {
            name: (row.get(name) or "").strip() for name in ("sheet", "item", "label", "correct", "note", "reviewer")
        }
        place = f"{path}:{reader.line_num}:"
        if not said["label"]:
            continue
        if not (said["item"].isdecimal() and len(said["item"]) < DIGITS):
            msg = f"{place} item {said['item']!r:.40} is no number"
            raise ConfigError(msg)
        yield said["sheet"], said["reviewer"], (place, int(said["item"]), said["label"], said["correct"], said["note"])


def _name(value: Any) -> str:
    """What any database takes as the name of a sheet or of a person."""
    return _text(value).encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")[:NAME]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)
