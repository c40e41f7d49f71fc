"""The sheet as CSV, and labels read back: from the page's JSON, from a spreadsheet, from hands that slipped."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.monitor import files
from harness.monitor.sampling import SampledCall, SampleStratum
from harness.monitor.sheets import UNCLEAR, Sheet, SheetItem, SheetLabel
from harness.monitor.verdicts import is_right

from .logged import call

LABELS = ("billing", "technical", "-1")


def item(number: int, task: str = "triage", **more: Any) -> SheetItem:
    by_label = task == "triage"
    usual = {"value": "billing", "compliant": True, "said": "billing", "size": 10, "by_label": by_label}
    return SheetItem(number, task, "fake", "local", "2026-11-20", number, **{**usual, **more})


SHEET = Sheet(
    "2026-w47-0a1b2c3d", "", "2026-11-16", "2026-11-23", 0, {"triage": LABELS}, (item(1), item(2), item(3, "fields"))
)


def said(path: Path) -> list[tuple[int, str]]:
    return [(one.item, one.label) for one in files.labels(files.read(path), SHEET, "anna")]


def saved(tmp_path: Path, *labels: dict[str, Any], **more: Any) -> Path:
    """What the page saves."""
    path = tmp_path / "labels.json"
    content = {"format": files.FORMAT, "sheet": SHEET.sheet, "reviewer": "anna", "labels": list(labels), **more}
    path.write_text(json.dumps(content))
    return path


def filled(tmp_path: Path, text: str | bytes) -> Path:
    """What a spreadsheet saves."""
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_formulas_markup_and_hidden_text_of_a_reply_are_inert_in_the_csv() -> None:
    hostile = call(value="=1+1", reply='=HYPERLINK("http://x")', inputs={"text": "@SUM(A1)\u202e"})
    text = files.csv_of(SHEET, [SampledCall(1, hostile, SampleStratum("triage", "fake", "billing"), 10)])
    header, row = csv.reader(io.StringIO(text, newline=""))
    cells = dict(zip(header, row, strict=True))
    assert cells["reply"] == '\'=HYPERLINK("http://x")'
    assert cells["read_as"] == "'=1+1"
    assert cells["input"].startswith("'@SUM")
    assert cells["choices"] == "billing | technical | -1 | ?"
    assert cells["label"] == ""


def test_the_reply_stands_behind_the_label_that_it_must_not_lead() -> None:
    assert files.COLUMNS.index("reply") > files.COLUMNS.index("label") > files.COLUMNS.index("input")


def test_the_pages_file_is_read(tmp_path: Path) -> None:
    path = saved(
        tmp_path, {"item": 1, "label": "technical", "note": " why "}, {"item": 3, "label": "wrong", "correct": "7"}
    )
    read = files.read(path)
    assert (read.sheet, read.reviewer) == (SHEET.sheet, "anna")
    assert files.labels(read, SHEET, "anna") == [
        SheetLabel(1, "anna", "technical", "", "why"),
        SheetLabel(3, "anna", "wrong", "7", ""),
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_spreadsheets_file_is_read_whatever_country_it_is_from(tmp_path: Path, between: str, mark: str) -> None:
    lines = [["sheet", "item", "label", "note"], [SHEET.sheet, "1", "billing", ""], [SHEET.sheet, "2", "", ""]]
    path = filled(tmp_path, mark + "\r\n".join(between.join(line) for line in lines))
    assert said(path) == [(1, "billing")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("Technical", "technical"), (" billing ", "billing"), ("'-1", "-1"), ("?", UNCLEAR), ("unclear", UNCLEAR)],
)
def test_a_label_is_known_by_what_leaves_no_doubt(tmp_path: Path, written: str, meant: str) -> None:
    assert said(filled(tmp_path, f"sheet,item,label\n{SHEET.sheet},1,{written}\n")) == [(1, meant)]


@pytest.mark.parametrize(("written", "meant"), [("r", "right"), ("W", "wrong"), ("1", "right"), ("Right", "right")])
def test_right_and_wrong_may_be_short(tmp_path: Path, written: str, meant: str) -> None:
    assert said(filled(tmp_path, f"sheet,item,label\n{SHEET.sheet},3,{written}\n")) == [(3, meant)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"sheet,item,label\n{SHEET.sheet},1,tecnical\n",
            r"labels.csv:2: item 1: label 'tecnical' is none of .*technical",
        ),
        (f"sheet,item,label\n{SHEET.sheet},3,billing\n", "label 'billing' is none of right, wrong"),
        (f"sheet,item,label\n{SHEET.sheet},9,billing\n", "item 9 is not in sheet .*, which has 3"),
        (f"sheet,item,label\n{SHEET.sheet},x,billing\n", "item 'x' is no number"),
        (f"sheet,item,label\n{SHEET.sheet},{'9' * 5_000},billing\n", "item '999"),
        (f"sheet,item,label\n{SHEET.sheet},1,billing\n{SHEET.sheet},1,billing\n", r":3: item 1 is labelled twice"),
        (
            f"sheet,item,label\n{SHEET.sheet},1,billing\nother,2,billing\n",
            "rows of several sheets: 2026-w47-0a1b2c3d, other",
        ),
        (f"sheet,item,label\n{SHEET.sheet},1,\n", "nothing is labelled in it yet"),
        ("item,label\n1,billing\n", ":1: no column 'sheet'"),
        ("", "no column 'sheet'"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (
            f"sheet,item,label,reviewer\n{SHEET.sheet},1,billing,a\n{SHEET.sheet},2,billing,b\n",
            "several reviewers: a, b",
        ),
    ],
)
def test_a_csv_that_is_wrong_says_where(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        said(filled(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "labels.json:1: not valid JSON"),
        ("[]", "format None is not harness-review/1"),
        ('{"format": "harness-review/2"}', "format 'harness-review/2' is not harness-review/1"),
        ('{"format": "harness-review/1", "labels": [1]}', "is no list of labels"),
        ('{"format": "harness-review/1", "labels": [{"item": true, "label": "x"}]}', "label 1: item True is no number"),
        ("[" * 100_000, "not valid JSON"),
        ("9" * 5_000, "not valid JSON"),
    ],
)
def test_a_json_that_is_wrong_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        said(path)


def test_a_name_is_one_that_any_database_takes(tmp_path: Path) -> None:
    path = saved(tmp_path, {"item": 1, "label": "billing"}, reviewer="an\0na \ud800" + "x" * 500)
    reviewer = files.read(path).reviewer
    assert reviewer.startswith("anna \\ud800x")
    assert len(reviewer) == files.NAME


def test_another_ending_is_no_label_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels are read from \.csv or \.json"):
        files.read(tmp_path / "labels.xlsx")


def test_a_label_that_is_called_right_is_a_label() -> None:
    assert not is_right(item(1, value="left"), SheetLabel(1, "anna", "right"))
    assert is_right(item(1, value="right"), SheetLabel(1, "anna", "right"))
