"""Memory limits of imported files, and errors for damaged files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection, SourceFile, source

from .files import imported, jsonl, tickets

COLUMNS = ColumnSelection(id="item", reply="reply", expected="gold")


def test_line_above_the_size_limit_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LINE_LIMIT", 10_000)
    rows = [*tickets(), tickets()[0] | {"item": "z", "reply": "x" * 20_000}]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for name, data in (("x.jsonl", text), ("x.jsonl.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError, match=rf"{name}:31: line longer than"):
            imported(tmp_path / name, COLUMNS)


def test_document_above_the_size_limit_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "DOCUMENT_LIMIT", 100)
    (tmp_path / "x.json").write_text(json.dumps({"results": ["x" * 200]}, indent=1))
    with pytest.raises(ConfigError, match="as one JSON value"):
        imported(tmp_path / "x.json")


def test_truncated_gzip_is_reported_as_damaged(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in tickets()).encode())
    (tmp_path / "x.jsonl.gz").write_bytes(whole[:-20])
    with pytest.raises(ConfigError, match="damaged or cut short"):
        imported(tmp_path / "x.jsonl.gz", COLUMNS)


def test_lines_are_read_lazily(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", tickets())
    with path.open("a") as file:
        file.write("this line is never reached\n")
    lines = SourceFile(path).lines()
    assert next(lines)[0] == f"{path}:1"
    assert SourceFile(path).first["item"] == "t-0"


def test_progress_is_reported_in_bytes(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [{"item": str(i), "x": "y" * 100_000} for i in range(30)])
    reports: list[tuple[int, int]] = []
    assert sum(1 for _ in SourceFile(path, lambda done, total: reports.append((done, total))).lines()) == 30
    assert len(reports) >= 2
    assert reports == sorted(reports)
    assert {total for _, total in reports} == {path.stat().st_size}


@pytest.mark.parametrize(
    ("name", "stem"), [("a.b.jsonl", "a.b"), ("x.jsonl.gz", "x"), ("results.json", "results"), ("plain", "plain")]
)
def test_stem_is_the_name_without_extensions(name: str, stem: str) -> None:
    assert SourceFile(Path(name)).stem == stem


def test_unknown_format_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"x\.csv: the file is empty"):
        imported(tmp_path / "x.csv", COLUMNS)
    for content in (b"item,reply\n1,yes\n", b"\x89PNG\r\n", b"[1, 2]"):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(ConfigError, match="name it with --format"):
            imported(tmp_path / "x.csv", COLUMNS)
