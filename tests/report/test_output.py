"""A report into a file: whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.report import build, check_path, endings, write

from .fakes import fake_run

REPORT = build([fake_run(3)])


def test_every_format_is_found_by_its_file() -> None:
    assert set(endings()) >= {".csv", ".html", ".json", ".jsonl", ".md"}


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.html.bak", ".html"])
def test_unknown_ending_is_an_error_before_the_run(name: str) -> None:
    with pytest.raises(ConfigError, match=r"Use one of \.csv, \.html, \.json, \.jsonl, \.md"):
        check_path(Path(name))


def test_capital_ending_works_and_the_folder_is_created(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "R.JSONL"
    write(REPORT, path)
    assert path.read_text().count("\n") == 3


def test_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        write(REPORT, tmp_path / "x.csv")


def test_full_disk_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")

    def full(self: Path, _data: bytes) -> int:
        self.open("wb").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match=r"report\.md: cannot be written: No space left on device$"):
        write(REPORT, path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.md"]
    assert path.read_text() == "old"


def test_parent_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written") as caught:
        write(REPORT, tmp_path / "file" / "report.md")
    assert "\n" not in str(caught.value)


def test_symbolic_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "latest.csv").symlink_to(tmp_path / "real.csv")
    write(REPORT, tmp_path / "latest.csv")
    assert (tmp_path / "latest.csv").is_symlink()
    assert (tmp_path / "real.csv").exists()


@pytest.mark.parametrize("ending", [".csv", ".html", ".json", ".jsonl", ".md"])
def test_the_same_runs_make_the_same_bytes(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        write(build([fake_run(12), fake_run(12, "local", errors=2)]), tmp_path / f"{name}{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
