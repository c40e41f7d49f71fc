"""The sheet as CSV, and labels read from the page's JSON and from CSV, valid or not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.monitor import label_files
from harness.monitor.review_counts import is_right
from harness.monitor.sampling import SampledCall, SampleStratum
from harness.monitor.sheets import UNCLEAR, Sheet, SheetItem, SheetLabel

from .logged import call

LABELS = ("billing", "technical", "-1")


def item(number: int, task: str = "triage", **more: Any) -> SheetItem:
    by_label = task == "triage"
    usual = {"value": "billing", "compliant": True, "outcome": "billing", "size": 10, "by_label": by_label}
    return SheetItem(number, task, "fake", "local", "2026-11-20", number, **{**usual, **more})


SHEET = Sheet(
    "2026-w47-0a1b2c3d", "", "2026-11-16", "2026-11-23", 0, {"triage": LABELS}, (item(1), item(2), item(3, "fields"))
)


def read_labels(path: Path) -> list[tuple[int, str]]:
    return [(label.item, label.label) for label in label_files.labels(label_files.read(path), SHEET, "anna")]


def saved(tmp_path: Path, *labels: dict[str, Any], **more: Any) -> Path:
    """Write a file as the label page saves it."""
    path = tmp_path / "labels.json"
    content = {"format": label_files.FORMAT, "sheet": SHEET.sheet, "reviewer": "anna", "labels": list(labels), **more}
    path.write_text(json.dumps(content))
    return path


def filled(tmp_path: Path, text: str | bytes) -> Path:
    """Write a file as a spreadsheet saves it."""
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_formulas_and_hidden_characters_are_inert_in_the_csv() -> None:
    hostile = call(value="=1+1", reply='=HYPERLINK("http://x")', inputs={"text": "@SUM(A1)\u202e"})
    text = label_files.csv_of(SHEET, [SampledCall(1, hostile, SampleStratum("triage", "fake", "billing"), 10)])
    header, row = csv.reader(io.StringIO(text, newline=""))
    cells = dict(zip(header, row, strict=True))
    assert cells["reply"] == '\'=HYPERLINK("http://x")'
    assert cells["read_as"] == "'=1+1"
    assert cells["input"].startswith("'@SUM")
    assert cells["choices"] == "billing | technical | -1 | ?"
    assert cells["label"] == ""


def test_the_label_column_comes_before_the_reply() -> None:
    assert label_files.COLUMNS.index("reply") > label_files.COLUMNS.index("label") > label_files.COLUMNS.index("input")


def test_labels_are_read_from_the_pages_json(tmp_path: Path) -> None:
    path = saved(
        tmp_path, {"item": 1, "label": "technical", "note": " why "}, {"item": 3, "label": "wrong", "correct": "7"}
    )
    read = label_files.read(path)
    assert (read.sheet, read.reviewer) == (SHEET.sheet, "anna")
    assert label_files.labels(read, SHEET, "anna") == [
        SheetLabel(1, "anna", "technical", "", "why"),
        SheetLabel(3, "anna", "wrong", "7", ""),
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_labels_are_read_from_csv_with_any_delimiter(tmp_path: Path, between: str, mark: str) -> None:
    lines = [["sheet", "item", "label", "note"], [SHEET.sheet, "1", "billing", ""], [SHEET.sheet, "2", "", ""]]
    path = filled(tmp_path, mark + "\r\n".join(between.join(line) for line in lines))
    assert read_labels(path) == [(1, "billing")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("Technical", "technical"), (" billing ", "billing"), ("'-1", "-1"), ("?", UNCLEAR), ("unclear", UNCLEAR)],
)
def test_labels_are_matched_without_case_and_quote(tmp_path: Path, written: str, meant: str) -> None:
    assert read_labels(filled(tmp_path, f"sheet,item,label\n{SHEET.sheet},1,{written}\n")) == [(1, meant)]


@pytest.mark.parametrize(("written", "meant"), [("r", "right"), ("W", "wrong"), ("1", "right"), ("Right", "right")])
def test_right_and_wrong_have_short_forms(tmp_path: Path, written: str, meant: str) -> None:
    assert read_labels(filled(tmp_path, f"sheet,item,label\n{SHEET.sheet},3,{written}\n")) == [(3, meant)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"sheet,item,label\n{SHEET.sheet},1,tecnical\n",
            r"labels.csv:2: item 1: label 'tecnical' .*technical",
        ),
        (f"sheet,item,label\n{SHEET.sheet},3,billing\n", "item 3: label 'billing' .*right, wrong"),
        (f"sheet,item,label\n{SHEET.sheet},9,billing\n", "labels.csv:2: item 9 .*3"),
        (f"sheet,item,label\n{SHEET.sheet},x,billing\n", "labels.csv:2: item 'x'"),
        (f"sheet,item,label\n{SHEET.sheet},{'9' * 5_000},billing\n", "item '999"),
        (f"sheet,item,label\n{SHEET.sheet},1,billing\n{SHEET.sheet},1,billing\n", r":3: item 1 .*twice"),
        (f"sheet,item,label\n{SHEET.sheet},1,billing\nother,2,billing\n", "sheets: 2026-w47-0a1b2c3d, other"),
        (f"sheet,item,label\n{SHEET.sheet},1,\n", "no labels"),
        ("item,label\n1,billing\n", ":1: no column 'sheet'"),
        ("", "no column 'sheet'"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (f"sheet,item,label,reviewer\n{SHEET.sheet},1,billing,a\n{SHEET.sheet},2,billing,b\n", "reviewers: a, b"),
    ],
)
def test_an_invalid_csv_is_reported_with_line_and_item(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_labels(filled(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "labels.json:1: not valid JSON"),
        ("[]", "format None .*harness-review/1"),
        ('{"format": "harness-review/2"}', "format 'harness-review/2' .*harness-review/1"),
        ('{"format": "harness-review/1", "labels": [1]}', "labels: .*list"),
        ('{"format": "harness-review/1", "labels": [{"item": true, "label": "x"}]}', "label 1: item True"),
        ("[" * 100_000, "not valid JSON"),
        ("9" * 5_000, "not valid JSON"),
    ],
)
def test_an_invalid_json_file_is_reported_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_labels(path)


def test_reviewer_names_are_cleaned_for_any_database(tmp_path: Path) -> None:
    path = saved(tmp_path, {"item": 1, "label": "billing"}, reviewer="an\0na \ud800" + "x" * 500)
    reviewer = label_files.read(path).reviewer
    assert reviewer.startswith("anna \\ud800x")
    assert len(reviewer) == label_files.MAX_NAME_CHARS


def test_a_file_with_another_extension_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels\.xlsx: .*\.csv or \.json"):
        label_files.read(tmp_path / "labels.xlsx")


def test_a_label_named_right_is_an_ordinary_label() -> None:
    assert not is_right(item(1, value="left"), SheetLabel(1, "anna", "right"))
    assert is_right(item(1, value="right"), SheetLabel(1, "anna", "right"))
