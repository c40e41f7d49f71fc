"""Foreign files, read with memory limits: JSONL line by line, a zip member by member.

Only a file that is a single JSON value is read as a whole. The limits below apply to each piece after decompression.
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
"""Most bytes in one line, after decompression."""
DOCUMENT_LIMIT = 1_000 * MEGABYTE
"""Most bytes in a file that is a single JSON value."""
MEMBER_LIMIT = 256 * MEGABYTE
"""Most bytes in one file of a zip, after decompression."""
MEMBERS_LIMIT = 200_000
"""Most files in a zip."""
_ZSTANDARD = 93
"""Compression method of Zstandard members in a zip. Inspect writes its logs with it."""

Progress = Callable[[int, int], None]
"""Progress callback: (done, total), in bytes for a text file and in members for a zip."""


def _silent(_done: int, _total: int) -> None:
    pass


class SourceFile:
    """File that another tool wrote."""

    def __init__(self, path: Path, progress: Progress = _silent) -> None:
        """Nothing is read until a property or method needs it. `progress` is called while reading."""
        self.path = path
        self._progress = progress

    @cached_property
    def start(self) -> bytes:
        """First four bytes of the file."""
        with self._explained(), self.path.open("rb") as file:
            return file.read(4)

    @property
    def is_zip(self) -> bool:
        """Whether the file is a zip, such as Inspect's `.eval`."""
        return self.start == b"PK\x03\x04"

    @property
    def stem(self) -> str:
        """File name without its extensions."""
        name = self.path.name.removesuffix(".gz")
        return name.rsplit(".", 1)[0] if "." in name.strip(".") else name

    @cached_property
    def first(self) -> Mapping[str, Any]:
        """Object on the first line, else the whole JSON document, else an empty mapping."""
        if self.is_zip:
            return {}
        if isinstance(self._first_line, dict):
            return self._first_line
        return self.document if self._first_line is None and self._looks_like_document else {}

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """Whole file as one JSON object; raises `ConfigError`."""
        with self._explained(), self._open() as file:
            data = file.read(DOCUMENT_LIMIT + 1)
        if len(data) > DOCUMENT_LIMIT:
            msg = f"{self.path}: larger than {DOCUMENT_LIMIT // MEGABYTE:,} MB as one JSON value: split the export"
            raise ConfigError(msg)
        value = parse_json(data, str(self.path))
        if isinstance(value, dict):
            return value
        msg = f"{self.path}: expected one JSON object, not {type(value).__name__}"
        raise ConfigError(msg)

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (`file:line`, object) for each line that is not empty; raises `ConfigError` with the line number."""
        for number, line in self._raw_lines():
            if not line.strip():
                continue
            where = f"{self.path}:{number}"
            value = parse_json(line, where)
            if not isinstance(value, dict):
                msg = f"{where}: a row must be a JSON object, not {type(value).__name__}"
                raise ConfigError(msg)
            yield where, value

    def members(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (location, object) for each JSON file in a zip whose name starts with `folder`."""
        with self._explained(), zipfile.ZipFile(self.path) as archive:
            infos = archive.infolist()
            if len(infos) > MEMBERS_LIMIT:
                msg = f"{self.path}: more than {MEMBERS_LIMIT:,} files in the zip: split the log"
                raise ConfigError(msg)
            chosen = [i for i in infos if i.filename.startswith(folder) and i.filename.endswith(".json")]
            for done, info in enumerate(chosen, 1):
                where = f"{self.path}:{info.filename}"
                value = parse_json(_unpacked(archive, info, where), where)
                if not isinstance(value, dict):
                    msg = f"{where}: expected a JSON object, not {type(value).__name__}"
                    raise ConfigError(msg)
                self._progress(done, len(chosen))
                yield where, value

    @cached_property
    def _first_line(self) -> Any:
        """Value of the first line that is not empty; `None` if it is not JSON."""
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
            total, reported = self.path.stat().st_size, 0
            file: IO[bytes] = gzip.GzipFile(fileobj=packed) if self.start[:2] == b"\x1f\x8b" else packed  # type: ignore[assignment]
            number = 0
            while line := file.readline(LINE_LIMIT + 1):
                number += 1
                if len(line) > LINE_LIMIT:
                    msg = f"{self.path}:{number}: line longer than {LINE_LIMIT // MEGABYTE} MB: the file is not JSONL"
                    raise ConfigError(msg)
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if packed.tell() - reported >= MEGABYTE:
                    reported = packed.tell()
                    self._progress(reported, total)

    def _open(self) -> IO[bytes]:
        if self.start[:2] == b"\x1f\x8b":
            return gzip.open(self.path)  # type: ignore[return-value]
        return self.path.open("rb")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Convert errors of the disk or of a damaged file to a `ConfigError` of one line."""
        try:
            yield
        except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
            msg = f"{self.path}: the file is damaged or cut short ({error}): copy or export it again"
            raise ConfigError(msg) from None
        except OSError as error:
            msg = f"{self.path}: cannot be read: {error.strerror or error}"
            raise ConfigError(msg) from None


def parse_json(data: bytes, where: str) -> Any:
    """Parse JSON in UTF-8; raises `ConfigError` with the location `where`."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        msg = f"{where}: not UTF-8 text (byte {error.start}): save the file as UTF-8"
    except RecursionError:
        msg = f"{where}: the JSON is nested too deeply"
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        msg = f"{where}: not valid JSON ({error.msg}, {line}column {error.colno}): each line must be one JSON object"
    except ValueError as error:  # a number with more digits than Python parses
        msg = f"{where}: not usable JSON: {error}"
    raise ConfigError(msg)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    """Decompress a member; raises `ConfigError` above the limit. The size in its header is not trusted."""
    too_large = f"{where}: more than {MEMBER_LIMIT // MEGABYTE} MB after decompression: split the log into smaller ones"
    if info.file_size > MEMBER_LIMIT:
        raise ConfigError(too_large)
    if info.compress_type == _ZSTANDARD:
        data = _unpacked_zstandard(archive, info, where)
    else:
        try:
            with archive.open(info) as member:
                data = member.read(MEMBER_LIMIT + 1)
        except (NotImplementedError, RuntimeError) as error:
            msg = f"{where}: unsupported compression ({error}): convert the log with `inspect log convert --to json`"
            raise ConfigError(msg) from None
    if len(data) > MEMBER_LIMIT:
        raise ConfigError(too_large)
    return data


def _unpacked_zstandard(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    """Decompress with pyarrow, because `zipfile` supports Zstandard only from Python 3.14."""
    with needed("datasets", f"{where}: a member compressed with Zstandard needs pyarrow"):
        import pyarrow as pa

    file = archive.fp
    if file is None:
        msg = "the archive was closed"
        raise zipfile.BadZipFile(msg)
    file.seek(info.header_offset)
    header = file.read(30)  # last four bytes: lengths of the name and extra fields (APPNOTE 4.3.7)
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    packed = file.read(min(info.compress_size, MEMBER_LIMIT))
    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            return bytes(stream.read(min(info.file_size, MEMBER_LIMIT) + 1))
    except pa.ArrowException as error:
        raise zipfile.BadZipFile(str(error)) from None
