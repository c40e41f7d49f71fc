"""A review sheet as CSV, and labels read from that CSV or from the JSON that the label page saves.

    {"format": "harness-review/1", "sheet", "reviewer", "labels": [{"item", "label", "correct", "note", "at"}, ...]}

Of a CSV, the columns sheet, item, label, correct, note and reviewer are read; other columns are ignored. A row with an
empty label is not labelled yet. History of the format: 1 first version.
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
"""The reply comes last, so that a reviewer labels before reading it."""

ENDINGS = (".csv", ".json")
MAX_ITEM_DIGITS = 10
"""An item number with this many digits is invalid."""

MAX_NAME_CHARS = 100
"""A longer name of a sheet or reviewer is cut."""

_UNCLEAR = {UNCLEAR, "unclear", "can't tell"}
_SHORT_FORMS = {"r": RIGHT, "w": WRONG, "1": RIGHT, "2": WRONG}
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """One file of labels. `rows`: (`path:line:`, item, label, correct, note), not yet checked."""

    path: Path
    sheet: str
    reviewer: str
    rows: tuple[tuple[str, int, str, str, str], ...]


def csv_of(sheet: Sheet, drawn: Sequence[SampledCall]) -> str:
    """Return the sheet as CSV; texts of customers and models cannot run as formulas."""
    return table(COLUMNS, (_row(sheet, sampled) for sampled in drawn))


def choices(sheet: Sheet, task: str) -> tuple[str, ...]:
    """Return the labels a reviewer may choose for this task."""
    return sheet.choices.get(task) or (RIGHT, WRONG)


def read(path: Path) -> LabelFile:
    """Read a file of labels; raises `ConfigError` with the line of the error."""
    if path.suffix.lower() not in ENDINGS:
        msg = f"{path}: not a {' or '.join(ENDINGS)} file: save the labels on the label page, or fill in the CSV"
        raise ConfigError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path}: not UTF-8 text: save it as CSV UTF-8"
        raise ConfigError(msg) from None
    file = _read_json(path, text) if path.suffix.lower() == ".json" else _read_csv(path, text)
    if not file.rows:
        msg = f"{path}: contains no labels yet: fill in the column `label`"
        raise ConfigError(msg)
    return file


def labels(file: LabelFile, sheet: Sheet, reviewer: str) -> list[SheetLabel]:
    """Check a file's labels against their sheet and return them; raises `ConfigError`."""
    items = {item.item: item for item in sheet.items}
    checked: dict[int, SheetLabel] = {}
    for where, number, label, correct, note in file.rows:
        if number not in items:
            msg = f"{where} item {number} is not in sheet {sheet.sheet}, which has items 1 to {len(items)}"
            raise ConfigError(msg)
        if number in checked:
            msg = f"{where} item {number} is labelled twice"
            raise ConfigError(msg)
        item = items[number]
        # The item number is named too: a CSV cell of several lines shifts line numbers against a spreadsheet's rows.
        known = _label(label, choices(sheet, item.task), f"{where} item {number}:")
        checked[number] = SheetLabel(number, reviewer, known, correct, note)
    return list(checked.values())


def _row(sheet: Sheet, sampled: SampledCall) -> list[Any]:
    call = sampled.call
    return [
        sheet.sheet,
        sampled.item,
        call.task,
        " | ".join((*choices(sheet, call.task), UNCLEAR)),
        inputs_text(call.inputs or {}),
        "",
        "",
        "",
        "",
        call.reply or "",
        value_text(call.value),
    ]


def _label(label: str, known: Sequence[str], where: str) -> str:
    """Return the sheet's spelling of a label. Case is ignored if that is unambiguous."""
    unquoted = label.removeprefix("'")  # the CSV writer quotes formulas with an apostrophe
    for written in (label, unquoted):
        if written in known:
            return written
        alike = [choice for choice in known if choice.casefold() == written.casefold()]
        if len(alike) == 1:
            return alike[0]
    if label.casefold() in _UNCLEAR:
        return UNCLEAR
    if tuple(known) == (RIGHT, WRONG) and label.casefold() in _SHORT_FORMS:
        return _SHORT_FORMS[label.casefold()]
    close = get_close_matches(label, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    msg = f"{where} label {label!r:.60} is not one of {', '.join(known)} or {UNCLEAR}{hint}"
    raise ConfigError(msg)


def _read_json(path: Path, text: str) -> LabelFile:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of five thousand digits raises a plain ValueError
        where = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        msg = f"{path}{where}: not valid JSON: save the file on the label page again"
        raise ConfigError(msg) from None
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        version = content.get("format") if isinstance(content, Mapping) else None
        msg = f"{path}: format {version!r:.40} is not {FORMAT}"
        raise ConfigError(msg)
    entries = content.get("labels")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        msg = f"{path}: labels: should be a list of objects"
        raise ConfigError(msg)
    rows = []
    for place, entry in enumerate(entries, 1):
        where = f"{path}: label {place}:"
        number = entry.get("item")
        if not isinstance(number, int) or isinstance(number, bool):
            msg = f"{where} item {number!r:.40} is not a number"
            raise ConfigError(msg)
        label, correct, note = (_text(entry.get(name, "")) for name in ("label", "correct", "note"))
        if label:
            rows.append((where, number, label, correct, note))
    return LabelFile(path, _name(content.get("sheet", "")), _name(content.get("reviewer", "")), tuple(rows))


def _read_csv(path: Path, text: str) -> LabelFile:
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)  # the delimiter depends on the spreadsheet's locale
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        missing = [name for name in ("sheet", "item", "label") if name not in (reader.fieldnames or ())]
        if missing:
            msg = f"{path}:1: no column {missing[0]!r}: keep the header row that `harness sample` wrote"
            raise ConfigError(msg)
        rows = list(_csv_rows(path, reader))
    except csv.Error as error:
        msg = f"{path}: cannot be read as CSV: {error}"
        raise ConfigError(msg) from None
    sheets = {sheet for sheet, _, _ in rows}
    if len(sheets) > 1:
        msg = f"{path}: contains rows of several sheets: {', '.join(sorted(sheets))}: use one file per sheet"
        raise ConfigError(msg)
    reviewers = {reviewer for _, reviewer, _ in rows if reviewer}
    if len(reviewers) > 1:
        msg = f"{path}: contains labels of several reviewers: {', '.join(sorted(reviewers))}: use one file per reviewer"
        raise ConfigError(msg)
    labelled = tuple(row for _, _, row in rows)
    return LabelFile(path, _name(next(iter(sheets), "")), _name(next(iter(reviewers), "")), labelled)


def _csv_rows(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[str, str, tuple[str, int, str, str, str]]]:
    """Yield (sheet, reviewer, row) for each row with a label."""
    for row in reader:
        names = ("sheet", "item", "label", "correct", "note", "reviewer")
        sheet, item, label, correct, note, reviewer = ((row.get(name) or "").strip() for name in names)
        where = f"{path}:{reader.line_num}:"
        if not label:
            continue
        if not (item.isdecimal() and len(item) < MAX_ITEM_DIGITS):
            msg = f"{where} item {item!r:.40} is not a number"
            raise ConfigError(msg)
        yield sheet, reviewer, (where, int(item), label, correct, note)


def _name(value: Any) -> str:
    """Return a name that any database accepts: no lone surrogates, no null characters."""
    return _text(value).encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")[:MAX_NAME_CHARS]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)
