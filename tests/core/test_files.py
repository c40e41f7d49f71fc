"""Files are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.files import write


def test_write_creates_folders_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write("new", path)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_write_keeps_a_link_and_replaces_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    write(b"new", link)
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def full(_self: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match=r"file\.txt: cannot be written: No space left"):
        write("new", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lone_surrogate_is_written_as_escape(tmp_path: Path) -> None:
    write("a\ud800", tmp_path / "file.txt")
    assert (tmp_path / "file.txt").read_bytes() == rb"a\ud800"
