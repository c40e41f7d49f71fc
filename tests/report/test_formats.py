"""JSON, JSONL, CSV and Markdown: what goes in comes out, and does nothing on its way."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.core.formatting import visible
from harness.core.types import Run
from harness.report import COLUMNS, build, rows, write
from harness.report.formats import md

from .fakes import fake_case, fake_error, fake_result, fake_run, small_run

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "a\u2028b\u2029c\x85d",
    "right \u202eto left",
    "lone \ud800 surrogate",
    "nul \x00 bell \x07 escape \x1b[31m",
    "| pipe | `tick` **bold** [link](http://evil.example) @someone #1\n\n# heading",
    "=1+2",
    '"quoted", comma\r\nnew line',
    "{{ 7*7 }} {% raw %}",
    "",
)


def hostile_run(replies: tuple[str, ...] = HOSTILE) -> Run:
    results = [fake_result(fake_case(i), text, (None, text or None), ("no_answer",)) for i, text in enumerate(replies)]
    return small_run(results)


def written(runs: list[Run], folder: Path, ending: str) -> str:
    path = folder / f"report{ending}"
    write(build(runs), path)
    return path.read_bytes().decode("utf-8")


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_are_per_case_and_cell_with_stable_columns() -> None:
    made = list(rows([fake_run(4), fake_run(4, "local")]))
    assert [(r["case_id"], r["variant"]) for r in made] == [
        (f"t-{i:04}", v) for v in ("gpt", "local") for i in range(4)
    ]
    promised = "case_id variant backend reply strict compliant lenient violations expected latency_s error"
    assert list(made[0])[:11] == promised.split()
    assert tuple(made[0]) == COLUMNS


def test_failed_call_has_only_an_error() -> None:
    row = next(rows([small_run([fake_error(fake_case())])]))
    assert row["error"] == "timeout: no answer within 60 s"
    assert {row[name] for name in ("reply", "strict", "compliant", "lenient", "latency_s", "strict_correct")} == {None}
    assert row["violations"] == []


def test_false_and_empty_values_are_not_missing() -> None:
    result = fake_result(fake_case(0, expected=False), "", (False, False))
    row = next(rows([small_run([result], task="moderation", labels=())]))
    assert (row["reply"], row["strict"], row["strict_correct"]) == ("", False, True)


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_json_keeps_every_reply(tmp_path: Path, ending: str) -> None:
    text = written([hostile_run()], tmp_path, ending)
    read = [json.loads(line) for line in text.splitlines()] if ending == ".jsonl" else json.loads(text)["cases"]
    assert [row["reply"] for row in read] == list(HOSTILE)
    assert read == json.loads(json.dumps(list(rows([hostile_run()]))))


def test_other_scripts_stay_readable_in_json(tmp_path: Path) -> None:
    assert "日本語 für Größe" in written([hostile_run(("日本語 für Größe",))], tmp_path, ".jsonl")


def test_json_report_has_format_and_rates_with_intervals(tmp_path: Path) -> None:
    content = json.loads(written([fake_run(30, errors=2), fake_run(30, "local")], tmp_path, ".json"))
    assert content["format"] == "harness-report/1"
    cell = content["evals"][0]["cells"][0]
    assert set(cell["strict"]) == {"hits", "n", "value", "low", "high"}
    assert cell["n"] == 30
    assert cell["answered"] == 28
    assert cell["errors"] == {"connection": 1, "timeout": 1}
    assert cell["manifest"]["fingerprint"]["model"] == "smollm2"
    assert len(cell["classification"]["strict"]["confusion"][0]) == 4
    assert len(content["cases"]) == 60


def test_json_report_has_the_documented_keys(tmp_path: Path) -> None:
    documented = sys.modules.get("harness.report.formats.json")
    content = json.loads(written([fake_run(6)], tmp_path, ".json"))
    documented = documented or sys.modules["harness.report.formats.json"]
    keys: set[str] = set(content) | set(content["evals"][0]) | set(content["evals"][0]["cells"][0])
    assert {key for key in keys if f'"{key}"' not in (documented.__doc__ or "")} == set()


def test_nan_becomes_null_in_json(tmp_path: Path) -> None:
    value: dict[str, Any] = {"total": float("nan"), "items": [1.5, float("inf")]}
    run = small_run([fake_result(fake_case(), '{"total": NaN}', (value, value))], task="extraction", labels=())
    assert json.loads(written([run], tmp_path, ".jsonl"))["strict"] == {"total": None, "items": [1.5, None]}


def test_csv_has_a_row_per_case_and_joins_lists_with_a_space(tmp_path: Path) -> None:
    run = small_run(
        [fake_result(fake_case(0, tags=("hard", "typos")), "The A: x", (None, "x"), ("preamble", "quoted"))]
    )
    (row,) = read_csv(written([run], tmp_path, ".csv"))
    assert tuple(row) == COLUMNS
    assert (row["violations"], row["tags"], row["strict"], row["compliant"]) == (
        "preamble quoted",
        "hard typos",
        "",
        "false",
    )


def test_csv_survives_every_hostile_reply(tmp_path: Path) -> None:
    made = read_csv(written([hostile_run()], tmp_path, ".csv"))
    assert len(made) == len(HOSTILE)
    told = [visible(text) for text in HOSTILE]
    assert [row["reply"] for row in made] == [f"'{text}" if text.startswith("=") else text for text in told]
    assert made[4]["reply"] == "lone ‹U+D800› surrogate"


def test_csv_has_no_control_characters(tmp_path: Path) -> None:
    text = written([hostile_run(("\x1b]0;pwned\x07 bill\x08\x9bing \u202eevil\0",))], tmp_path, ".csv")
    assert not set(text) & set("\x1b\x07\x08\x9b\u202e\0")
    assert read_csv(text)[0]["reply"] == "‹U+001B›]0;pwned‹U+0007› bill‹U+0008›‹U+009B›ing ‹U+202E›evil‹U+0000›"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_csv_cells_that_a_spreadsheet_would_run_are_made_inert(tmp_path: Path, start: str) -> None:
    (row,) = read_csv(written([hostile_run((f"{start}cmd|' /C calc'!A0",))], tmp_path, ".csv"))
    assert row["reply"][0] == "'"
    assert row["lenient"][0] == "'"


def test_csv_cells_are_cut_at_the_spreadsheet_limit(tmp_path: Path) -> None:
    (row,) = read_csv(written([hostile_run(("x" * 10_000_000,))], tmp_path, ".csv"))
    assert len(row["reply"]) == 32_767
    assert row["reply"].endswith("[cut: 10,000,000 characters in total]")


def test_replies_are_inert_in_markdown(tmp_path: Path) -> None:
    for reply in HOSTILE:
        text = written([hostile_run((reply,))], tmp_path, ".md")
        plain = written([hostile_run(("plain",))], tmp_path, ".md")
        assert text.count("\n") == plain.count("\n")
        assert text.count("|") == plain.count("|")
        assert text.count("`") == plain.count("`")
        assert text.count("<") == plain.count("<") - (2 if not reply else 0)
        assert "http:" not in text


def test_markdown_escapes_every_structural_character() -> None:
    assert md.inert("a|b `c`\n<d> *e*") == "a&#124;b &#96;c&#96; &#60;d&#62; &#42;e&#42;"


def test_markdown_is_short_however_many_cases_there_are(tmp_path: Path) -> None:
    assert len(written([fake_run(600), fake_run(600, "local")], tmp_path, ".md")) < 20_000
