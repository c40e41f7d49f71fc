"""The few facts of a GGUF file's header that belong into a fingerprint.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from harness.errors import BackendError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_SANE = 1 << 26
"""No string or array of a header is longer; a larger number means that the file is damaged."""

# llama_ftype of llama.cpp's include/llama.h
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip


def quantization(path: Path) -> str:
    """`Q4_K_M`, `F16`, …: what `general.file_type` says; empty where the header does not tell.

    Raises `BackendError` where the file is no GGUF or ends within its header.
    """
    try:
        with path.open("rb") as file:
            if (start := file.read(4)) != MAGIC:
                msg = f"{path}: not a GGUF file (it starts with {start!r}): fetch it again"
                raise BackendError(msg)
            version, _tensors, pairs = struct.unpack("<IQQ", _read(file, 20))
            if version not in _VERSIONS:
                msg = f"{path}: GGUF version {version} is not supported ({' and '.join(map(str, _VERSIONS))} are)"
                raise BackendError(msg)
            for _ in range(pairs):
                key = _string(file)
                value = _value(file, *struct.unpack("<I", _read(file, 4)))
                if key == "general.file_type":
                    return FILE_TYPES.get(int(value), f"type {value}") if isinstance(value, int) else ""
    except (EOFError, KeyError, UnicodeDecodeError, RecursionError, struct.error):
        msg = f"{path}: the GGUF header is damaged: fetch the file again"
        raise BackendError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise BackendError(msg) from None
    return ""


def _read(file: BinaryIO, n: int) -> bytes:
    data = file.read(n) if n <= _SANE else b""
    if len(data) != n:
        raise EOFError
    return data


def _string(file: BinaryIO) -> str:
    return _read(file, *struct.unpack("<Q", _read(file, 8))).decode("utf-8")


def _value(file: BinaryIO, kind: int) -> object:
    """One value; arrays (the vocabulary, mostly) are stepped over."""
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        item_kind, count = struct.unpack("<IQ", _read(file, 12))
        if item_kind in _SCALARS:
            _read(file, count * struct.calcsize(f"<{_SCALARS[item_kind]}"))
        else:
            for _ in range(count):
                _value(file, item_kind)
        return None
    code = f"<{_SCALARS[kind]}"
    return struct.unpack(code, _read(file, struct.calcsize(code)))[0]
