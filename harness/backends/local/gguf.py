"""GGUF headers: read the facts that a fingerprint needs, and write the origin of quantized weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harness.core.errors import BackendError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32
"""Default alignment of the tensor data, in bytes."""
_SANE = 1 << 26
"""Limit of a string or array in a header; a larger length means a damaged file."""

# llama_ftype of llama.cpp's include/llama.h
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip


FILE_TYPE = "general.file_type"
MADE_FROM = "harness.made_from"
"""Our own header key, written by `local.quantize`: the type of the weights before quantization."""
UNROUNDED = ("F32", "F16", "BF16")
"""Types in which models are published; an origin of such a type is not reported."""


def quantization(path: Path) -> str:
    """The `general.file_type` of a file, as `Q4_K_M` or `F16`; empty if the header has none.

    `F16 from Q4_1`: the weights were rounded to Q4_1 before they were written as F16, and stay rounded.
    Raises `BackendError` if the file is not GGUF or ends within its header.
    """
    made_from = ""
    with _as_backend_error(path), path.open("rb") as file:
        _version, _tensors, pairs = _start(file, path)
        for key, value in _pairs(file, pairs):
            if key == MADE_FROM and value not in UNROUNDED:
                made_from = f" from {value}"
            if key == FILE_TYPE:
                return f"{FILE_TYPES.get(value, f'type {value}')}{made_from}" if isinstance(value, int) else ""
    return ""


def stamp(source: Path, target: Path, made_from: str) -> None:
    """Write `source` to `target` with `made_from` in its header, so that the origin survives a new file name.

    The origin and the type come first, before the vocabulary, which takes long to read. Raises `BackendError` as
    `quantization` does, `OSError` if `target` cannot be written.
    """
    first = [_packed(MADE_FROM) + struct.pack("<I", _STRING) + _packed(made_from)]
    rest: list[bytes] = []
    with source.open("rb") as file, target.open("wb") as sink:
        with _as_backend_error(source):
            version, tensors, pairs = _start(file, source)
            alignment, begin = _ALIGNMENT, file.tell()
            for key, value in _pairs(file, pairs):
                end = file.tell()
                file.seek(begin)
                raw, begin = file.read(end - begin), end
                if key == "general.alignment" and isinstance(value, int):
                    alignment = value
                if key != MADE_FROM:  # a source that `local.quantize` made already has this key
                    (first if key == FILE_TYPE else rest).append(raw)
            for _ in range(tensors):
                _string(file)
                (dimensions,) = struct.unpack("<I", _read(file, 4))
                _read(file, 8 * dimensions + 4 + 8)  # sizes, type, offset from the start of the data
            end = file.tell()
        file.seek(begin)
        sink.write(MAGIC + struct.pack("<IQQ", version, tensors, len(first) + len(rest)))
        sink.writelines([*first, *rest, file.read(end - begin)])
        sink.write(bytes(-sink.tell() % alignment))
        file.seek(end + -end % alignment)
        shutil.copyfileobj(file, sink, 1 << 20)


# llama_pooling_type of llama.cpp's include/llama.h; `none` and `rank` give no vector for a text
POOLING_TYPES = {1: "mean", 2: "cls", 3: "last"}


def pooling(path: Path) -> str:
    """`mean`, `cls` or `last`, from the header's `<architecture>.pooling_type`; empty if the header has none.

    An unreadable header also gives "": `quantization` reports it.
    """
    with suppress(OSError, EOFError, KeyError, ValueError, RecursionError, struct.error), path.open("rb") as file:
        _magic, _version, _tensors, pairs = struct.unpack("<IIQQ", _read(file, 24))
        for key, value in _pairs(file, pairs):
            if key.endswith(".pooling_type"):
                return POOLING_TYPES.get(value, "") if isinstance(value, int) else ""
    return ""


@contextmanager
def _as_backend_error(path: Path) -> Iterator[None]:
    """Turn the errors of reading a header into `BackendError`."""
    try:
        yield
    except (EOFError, KeyError, UnicodeDecodeError, RecursionError, struct.error):
        msg = f"{path}: the GGUF header is damaged: fetch the file again"
        raise BackendError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise BackendError(msg) from None


def _start(file: BinaryIO, path: Path) -> tuple[int, int, int]:
    """Version, number of tensors, number of pairs."""
    if (start := file.read(4)) != MAGIC:
        msg = f"{path}: not a GGUF file (it starts with {start!r}): fetch it again"
        raise BackendError(msg)
    version, tensors, pairs = struct.unpack("<IQQ", _read(file, 20))
    if version not in _VERSIONS:
        msg = f"{path}: GGUF version {version} is not supported ({' and '.join(map(str, _VERSIONS))} are)"
        raise BackendError(msg)
    return version, tensors, pairs


def _pairs(file: BinaryIO, count: int) -> Iterator[tuple[str, object]]:
    for _ in range(count):
        yield _string(file), _value(file, *struct.unpack("<I", _read(file, 4)))


def _packed(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _read(file: BinaryIO, n: int) -> bytes:
    data = file.read(n) if n <= _SANE else b""
    if len(data) != n:
        raise EOFError
    return data


def _string(file: BinaryIO) -> str:
    return _read(file, *struct.unpack("<Q", _read(file, 8))).decode("utf-8")


def _value(file: BinaryIO, kind: int) -> object:
    """Read one value; arrays (mostly the vocabulary) are skipped."""
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
