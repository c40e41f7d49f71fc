"""The pooling type in a GGUF header."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.backends.local.gguf import pooling


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def header(*pairs: bytes) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, 0, len(pairs)) + b"".join(pairs)


def number(key: str, value: int) -> bytes:
    return string(key) + struct.pack("<II", 4, value)


@pytest.mark.parametrize(("value", "name"), [(0, ""), (1, "mean"), (2, "cls"), (3, "last"), (4, ""), (99, "")])
def test_pooling_is_read_for_any_architecture(tmp_path: Path, value: int, name: str) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(header(number("general.file_type", 1), number("nomic-bert.pooling_type", value)))
    assert pooling(path) == name


@pytest.mark.parametrize("content", [b"", b"GGUF", header(number("a", 1)), header(number("bert.pooling_type", 2))[:-1]])
def test_missing_or_damaged_pooling_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    assert pooling(path) == ""
    assert pooling(tmp_path / "none.gguf") == ""
