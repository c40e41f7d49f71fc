"""What a file may cost: limits that hold however it is packed, and damage said in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection, SourceFile, source

from .files import imported, jsonl, tickets

COLUMNS = ColumnSelection(id="item", reply="reply", expected="gold")


def test_a_line_above_the_limit_is_refused_before_it_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LINE_LIMIT", 10_000)
    rows = [*tickets(), tickets()[0] | {"item": "z", "reply": "x" * 20_000}]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for name, data in (("x.jsonl", text), ("x.jsonl.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError, match=rf"{name}:31: a line of more than"):
            imported(tmp_path / name, COLUMNS)


def test_a_document_above_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "DOCUMENT_LIMIT", 100)
    (tmp_path / "x.json").write_text(json.dumps({"results": ["x" * 200]}, indent=1))
    with pytest.raises(ConfigError, match="in one JSON value"):
        imported(tmp_path / "x.json")


def test_a_file_that_was_cut_off_says_so(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in tickets()).encode())
    (tmp_path / "x.jsonl.gz").write_bytes(whole[:-20])
    with pytest.raises(ConfigError, match="damaged or cut short"):
        imported(tmp_path / "x.jsonl.gz", COLUMNS)


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", tickets())
    with path.open("a") as file:
        file.write("this line is never reached\n")
    lines = SourceFile(path).lines()
    assert next(lines)[0] == f"{path}:1"
    assert SourceFile(path).first["item"] == "t-0"


def test_progress_is_reported_in_bytes(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [{"item": str(i), "x": "y" * 100_000} for i in range(30)])
    told: list[tuple[int, int]] = []
    assert sum(1 for _ in SourceFile(path, lambda done, total: told.append((done, total))).lines()) == 30
    assert len(told) >= 2
    assert told == sorted(told)
    assert {total for _, total in told} == {path.stat().st_size}


@pytest.mark.parametrize(
    ("name", "stem"), [("a.b.jsonl", "a.b"), ("x.jsonl.gz", "x"), ("results.json", "results"), ("plain", "plain")]
)
def test_the_stem_is_the_name_without_its_endings(name: str, stem: str) -> None:
    assert SourceFile(Path(name)).stem == stem


def test_a_file_of_another_kind_is_named_as_such(tmp_path: Path) -> None:
    for content in (b"", b"item,reply\n1,yes\n", b"\x89PNG\r\n", b"[1, 2]"):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(ConfigError, match="neither JSONL nor a known log"):
            imported(tmp_path / "x.csv", COLUMNS)
