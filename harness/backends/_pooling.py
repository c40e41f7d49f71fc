"""How the maker of a GGUF file wants the vectors of a text's tokens made into one."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

from harness import gguf

# llama_pooling_type of llama.cpp's include/llama.h; `none` and `rank` give no vector of a text
KINDS = {1: "mean", 2: "cls", 3: "last"}


def pooling(path: Path) -> str:
    """`mean`, `cls` or `last` as the header's `<architecture>.pooling_type` says; empty where it says nothing.

    A header that cannot be read says nothing: `gguf.quantization` has told of that before.
    """
    with suppress(OSError, EOFError, KeyError, ValueError, RecursionError, struct.error), path.open("rb") as file:
        _magic, _version, _tensors, pairs = struct.unpack("<IIQQ", gguf._read(file, 24))  # noqa: SLF001
        for _ in range(pairs):
            key = gguf._string(file)  # noqa: SLF001
            value = gguf._value(file, *struct.unpack("<I", gguf._read(file, 4)))  # noqa: SLF001
            if key.endswith(".pooling_type"):
                return KINDS.get(value, "") if isinstance(value, int) else ""
    return ""
