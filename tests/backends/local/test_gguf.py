"""GGUF headers: the quantization, and one-line errors for truncated, damaged or other files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.local.gguf import MADE_FROM, quantization, stamp
from harness.core.errors import BackendError

UINT32, STRING, ARRAY = 4, 8, 9


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, *items: bytes) -> bytes:
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def header(*pairs: bytes, version: int = 3, count: int | None = None) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs) if count is None else count) + b"".join(pairs)


def file_type(number: int) -> bytes:
    return pair("general.file_type", UINT32, struct.pack("<I", number))


NAME = pair("general.name", STRING, text("tiny"))


def said(tmp_path: Path, raw: bytes) -> str:
    path = tmp_path / "m.gguf"
    path.write_bytes(raw)
    return quantization(path)


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "F32"), (1, "F16"), (3, "Q4_1"), (7, "Q8_0"), (15, "Q4_K_M"), (18, "Q6_K"), (32, "BF16"), (999, "type 999")],
)
def test_file_type_has_the_common_quantization_name(tmp_path: Path, number: int, name: str) -> None:
    assert said(tmp_path, header(NAME, file_type(number))) == name


@pytest.mark.parametrize("version", [2, 3])
def test_earlier_header_fields_are_skipped(tmp_path: Path, version: int) -> None:
    before = [
        pair("tokens", ARRAY, array(STRING, text("a"), text("b"))),
        pair("scores", ARRAY, array(6, struct.pack("<f", 1), struct.pack("<f", 2))),
        pair("nested", ARRAY, array(ARRAY, array(UINT32, struct.pack("<I", 1)), array(STRING, text("x")))),
        *(
            pair(f"k{kind}", kind, bytes(size))
            for kind, size in ((0, 1), (1, 1), (2, 2), (3, 2), (7, 1), (10, 8), (12, 8))
        ),
    ]
    assert said(tmp_path, header(*before, file_type(15), version=version)) == "Q4_K_M"


def test_header_without_file_type_is_no_error(tmp_path: Path) -> None:
    assert said(tmp_path, header(NAME)) == ""
    assert said(tmp_path, header(pair("general.file_type", STRING, text("Q4")))) == ""


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a GGUF file (it starts with b''): fetch it again"),
        (b"<html>", "not a GGUF file (it starts with b'<htm'): fetch it again"),
        (b"PK\x03\x04", "not a GGUF file (it starts with b'PK\\x03\\x04'): fetch it again"),
        (header(version=1), "GGUF version 1 is not supported (2 and 3 are)"),
        (header(version=0x03000000), "GGUF version 50331648 is not supported (2 and 3 are)"),
        (b"GGUF", "the GGUF header is damaged: fetch the file again"),
        (header(NAME, count=2), "the GGUF header is damaged: fetch the file again"),
        (header(pair("x", 77, b"")), "the GGUF header is damaged: fetch the file again"),
        (header(pair("x", STRING, text(b"\xff"))), "the GGUF header is damaged: fetch the file again"),
        (header(pair("x", STRING, struct.pack("<Q", 1 << 60))), "the GGUF header is damaged: fetch the file again"),
        (header(pair("x", ARRAY, struct.pack("<IQ", 6, 1 << 60))), "the GGUF header is damaged: fetch the file again"),
        (
            header(pair("x", ARRAY, struct.pack("<IQ", ARRAY, 1) * 5000)),
            "the GGUF header is damaged: fetch the file again",
        ),
    ],
)
def test_invalid_header_is_a_one_line_error(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(BackendError) as caught:
        said(tmp_path, raw)
    assert str(caught.value) == f"{tmp_path / 'm.gguf'}: {message}"


def test_truncated_header_is_a_one_line_error(tmp_path: Path) -> None:
    whole = header(NAME, pair("tokens", ARRAY, array(STRING, text("a"), text("b"))), file_type(15))
    for length in range(4, len(whole)):
        with pytest.raises(BackendError, match="the GGUF header is damaged"):
            said(tmp_path, whole[:length])


def test_missing_gguf_file_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"x\.gguf: cannot be read: No such file or directory"):
        quantization(tmp_path / "x.gguf")
    with pytest.raises(BackendError, match="cannot be read: Is a directory"):
        quantization(tmp_path)


def whole(*pairs: bytes, tensors: tuple[bytes, ...] = (), alignment: int = 32) -> bytes:
    """Return a file with a header and one-dimensional tensors with these names."""
    infos = [
        text(name) + struct.pack("<IQIQ", 1, alignment, 24, i * alignment)  # type 24: int8
        for i, name in enumerate(tensors)
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join([*pairs, *infos])
    return head + bytes(-len(head) % alignment) + b"".join(bytes([i + 1]) * alignment for i in range(len(tensors)))


def made_from(what: str) -> bytes:
    return pair(MADE_FROM, STRING, text(what))


def stamped(folder: Path, raw: bytes, what: str) -> bytes:
    (folder / "m.gguf").write_bytes(raw)
    stamp(folder / "m.gguf", folder / "stamped.gguf", what)
    return (folder / "stamped.gguf").read_bytes()


class TestStamp:
    def test_stamp_records_the_source_quantization(self, tmp_path: Path) -> None:
        stamped(tmp_path, header(NAME, file_type(1)), "Q4_1")
        assert quantization(tmp_path / "stamped.gguf") == "F16 from Q4_1"

    @pytest.mark.parametrize("what", ["F16", "BF16", "F32"])
    def test_published_source_weights_are_not_mentioned(self, tmp_path: Path, what: str) -> None:
        stamped(tmp_path, header(NAME, file_type(15)), what)
        assert quantization(tmp_path / "stamped.gguf") == "Q4_K_M"

    @given(names=st.lists(st.text(max_size=40).map(str.encode), max_size=3), note=st.text(max_size=70))
    @pytest.mark.parametrize("alignment", [32, 64])
    def test_stamp_keeps_all_other_header_fields(
        self, tmp_path_factory: pytest.TempPathFactory, alignment: int, names: list[bytes], note: str
    ) -> None:
        before = [pair("note", STRING, text(note)), pair("general.alignment", UINT32, struct.pack("<I", alignment))]
        raw = whole(*before, file_type(7), tensors=tuple(names), alignment=alignment)
        again = stamped(tmp_path_factory.mktemp("stamp"), raw, "Q4_1")
        assert again == whole(made_from("Q4_1"), file_type(7), *before, tensors=tuple(names), alignment=alignment)

    def test_an_older_stamp_is_replaced(self, tmp_path: Path) -> None:
        first = stamped(tmp_path, whole(NAME, file_type(1), tensors=(b"t",)), "Q4_1")
        assert stamped(tmp_path, first, "F16 from Q4_1") == whole(
            made_from("F16 from Q4_1"), file_type(1), NAME, tensors=(b"t",)
        )

    def test_stamp_of_a_damaged_file_is_a_one_line_error(self, tmp_path: Path) -> None:
        raw = whole(NAME, file_type(1), tensors=(b"tensor",))
        with pytest.raises(BackendError, match=r"m\.gguf: the GGUF header is damaged: fetch the file again"):
            stamped(tmp_path, raw[: raw.index(b"tensor") + 3], "Q4_1")
