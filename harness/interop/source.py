"""A foreign file, opened with limits: line by line where it has lines, member by member where it is a zip.

Only a document that is one JSON value as a whole is read as a whole. No file of any size can take more memory than the
limits below for one piece of it, however it was compressed.
"""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from harness.core.errors import ConfigError
from harness.core.extras import needed

MEGABYTE = 1_000_000
LINE_LIMIT = 64 * MEGABYTE
"""Bytes of one line, unpacked."""
DOCUMENT_LIMIT = 1_000 * MEGABYTE
"""Bytes of a file that is one JSON value."""
MEMBER_LIMIT = 256 * MEGABYTE
"""Bytes of one file in a zip, unpacked."""
MEMBERS_LIMIT = 200_000
"""Files in a zip."""
_ZSTANDARD = 93
"""How a zip says that a member is packed with Zstandard; Inspect's logs are."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many have been read."""


def _silent(_done: int, _total: int) -> None:
    """No one wants to know."""


class SourceFile:
    """A file that somebody else's tool wrote."""

    def __init__(self, path: Path, progress: Progress = _silent) -> None:
        """Nothing is read yet."""
        self.path = path
        self._progress = progress

    @cached_property
    def start(self) -> bytes:
        """The first bytes."""
        with self._explained(), self.path.open("rb") as file:
            return file.read(4)

    @property
    def is_zip(self) -> bool:
        """A zip, such as Inspect's `.eval`."""
        return self.start == b"PK\x03\x04"

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        name = self.path.name.removesuffix(".gz")
        return name.rsplit(".", 1)[0] if "." in name.strip(".") else name

    @cached_property
    def first(self) -> Mapping[str, Any]:
        """The first line's object, or the whole document where it is one; empty where it is neither."""
        if self.is_zip:
            return {}
        if isinstance(self._first_line, dict):
            return self._first_line
        return self.document if self._first_line is None and self._looks_like_document else {}

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The file as one JSON object; raises `ConfigError`."""
        with self._explained(), self._open() as file:
            data = file.read(DOCUMENT_LIMIT + 1)
        if len(data) > DOCUMENT_LIMIT:
            msg = f"{self.path}: more than {DOCUMENT_LIMIT // MEGABYTE:,} MB in one JSON value: export fewer at a time"
            raise ConfigError(msg)
        value = parsed(data, str(self.path))
        if isinstance(value, dict):
            return value
        msg = f"{self.path}: expected one JSON object, not {type(value).__name__}"
        raise ConfigError(msg)

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(`file:line`, object) of each line that is not empty; raises `ConfigError` with the line's number."""
        for number, line in self._raw_lines():
            if not line.strip():
                continue
            where = f"{self.path}:{number}"
            value = parsed(line, where)
            if not isinstance(value, dict):
                msg = f"{where}: a row is a JSON object, not {type(value).__name__}"
                raise ConfigError(msg)
            yield where, value

    def members(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, object) of each JSON file of a zip whose name begins with `folder`."""
        with self._explained(), zipfile.ZipFile(self.path) as archive:
            infos = archive.infolist()
            if len(infos) > MEMBERS_LIMIT:
                msg = f"{self.path}: more than {MEMBERS_LIMIT:,} files in it"
                raise ConfigError(msg)
            chosen = [i for i in infos if i.filename.startswith(folder) and i.filename.endswith(".json")]
            for place, info in enumerate(chosen, 1):
                where = f"{self.path}:{info.filename}"
                value = parsed(_unpacked(archive, info, where), where)
                if not isinstance(value, dict):
                    msg = f"{where}: expected a JSON object, not {type(value).__name__}"
                    raise ConfigError(msg)
                self._progress(place, len(chosen))
                yield where, value

    @cached_property
    def _first_line(self) -> Any:
        """The value of the first line that is not empty; `None` where that is no JSON."""
        for _, line in self._raw_lines():
            if line.strip():
                try:
                    return json.loads(line)
                except (ValueError, RecursionError):
                    return None
        return None

    @property
    def _looks_like_document(self) -> bool:
        return self.path.name.removesuffix(".gz").endswith(".json")

    def _raw_lines(self) -> Iterator[tuple[int, bytes]]:
        with self._explained(), self.path.open("rb") as packed:
            total, told = self.path.stat().st_size, 0
            file: IO[bytes] = gzip.GzipFile(fileobj=packed) if self.start[:2] == b"\x1f\x8b" else packed  # type: ignore[assignment]
            number = 0
            while line := file.readline(LINE_LIMIT + 1):
                number += 1
                if len(line) > LINE_LIMIT:
                    msg = f"{self.path}:{number}: a line of more than {LINE_LIMIT // MEGABYTE} MB: this is no JSONL"
                    raise ConfigError(msg)
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if packed.tell() - told >= MEGABYTE:
                    told = packed.tell()
                    self._progress(told, total)

    def _open(self) -> IO[bytes]:
        if self.start[:2] == b"\x1f\x8b":
            return gzip.open(self.path)  # type: ignore[return-value]
        return self.path.open("rb")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What a disk or a damaged file has against it, as one line."""
        try:
            yield
        except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
            msg = f"{self.path}: the file is damaged or cut short ({error}): copy or export it again"
            raise ConfigError(msg) from None
        except OSError as error:
            msg = f"{self.path}: cannot be read: {error.strerror or error}"
            raise ConfigError(msg) from None


def parsed(data: bytes, where: str) -> Any:
    """JSON in UTF-8; raises `ConfigError`."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        msg = f"{where}: not UTF-8 text (byte {error.start}): save the file as UTF-8"
    except RecursionError:
        msg = f"{where}: JSON that is nested too deeply"
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        msg = f"{where}: not valid JSON ({error.msg}, {line}column {error.colno}): each line must be one JSON object"
    except ValueError as error:  # a number with more digits than Python reads
        msg = f"{where}: not usable JSON: {error}"
    raise ConfigError(msg)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    """A member's bytes; raises `ConfigError` for more than the limit, whatever its header says."""
    too_large = f"{where}: more than {MEMBER_LIMIT // MEGABYTE} MB unpacked: this is no log that can be imported"
    if info.file_size > MEMBER_LIMIT:
        raise ConfigError(too_large)
    if info.compress_type == _ZSTANDARD:
        data = _unpacked_zstandard(archive, info, where)
    else:
        try:
            with archive.open(info) as member:
                data = member.read(MEMBER_LIMIT + 1)
        except (NotImplementedError, RuntimeError) as error:
            msg = f"{where}: packed in a way that cannot be read ({error}): `inspect log convert --to json` can"
            raise ConfigError(msg) from None
    if len(data) > MEMBER_LIMIT:
        raise ConfigError(too_large)
    return data


def _unpacked_zstandard(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    """Python knows Zstandard in a zip only from 3.14 on; pyarrow, of the extra `datasets`, has it."""
    with needed("datasets", f"{where}: a member packed by Zstandard needs pyarrow"):
        import pyarrow as pa

    file = archive.fp
    if file is None:
        msg = "the archive was closed"
        raise zipfile.BadZipFile(msg)
    file.seek(info.header_offset)
    header = file.read(30)  # its last four bytes: the lengths of name and extra field (APPNOTE 4.3.7)
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    packed = file.read(min(info.compress_size, MEMBER_LIMIT))
    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            return bytes(stream.read(min(info.file_size, MEMBER_LIMIT) + 1))
    except pa.ArrowException as error:
        raise zipfile.BadZipFile(str(error)) from None
