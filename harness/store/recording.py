"""Replies in a portable file: `harness run --record FILE` writes it, `--backend replay:FILE` reads it.

JSON Lines of two kinds. A source describes a backend and its model; a reply belongs to a source and a request:

    {"recording":1,"source":"9f86…","backend":"gpt-4o","variant":"gpt","eval":"triage","model":{…},…}
    {"source":"9f86…","key":"<hash of the request>","case":"t-1","answered_at":"…","response":{…}}

A reply depends only on its source's line, which comes before it, so recordings can be concatenated. Duplicate lines
are harmless. The last of several replies to a request counts. Failed calls, prompts, addresses and API keys are not
recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock
from typing import Any, Self

from harness.core.errors import StoreError
from harness.core.types import Manifest, ModelInfo, Response, Result, RunOrigin
from harness.store import serialize

FORMAT = 1
"""Format of the lines. History: 1 first version."""

ENDING = ".jsonl"
"""File name ending that distinguishes `replay:FILE` from `replay:RUN`."""

_EMPTY_RESPONSE = asdict(Response())


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """A recorded backend, without its model's `note`. `own_variant`: the variant that the backend is tuned for."""

    backend: str
    own_variant: str
    variant: str
    eval: str
    prompt: str
    model: ModelInfo


class Recording:
    """An index of a recording. Replies stay on disk; memory holds the position of each."""

    def __init__(self, path: Path) -> None:
        """Read `path` once; raises `StoreError` with path and line for a file that is not a recording."""
        self.path = path
        self.sources: dict[str, RecordingSource] = {}
        self.places: dict[str, dict[bytes, int]] = {}
        """Source -> request key -> byte offset of the reply's line."""
        hashed = hashlib.sha256()
        for number, place, line in _lines(path):
            try:
                self._take(place, json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                if not line.endswith(b"\n"):
                    break  # a power failure cut the last line short
                msg = f"{path}:{number}: not a line of a recording ({error or type(error).__name__})"
                raise StoreError(msg) from None
            hashed.update(line)
        self.digest = hashed.hexdigest()
        """Hash of the complete lines."""

    def _take(self, place: int, data: Mapping[str, Any]) -> None:
        name = str(data["source"])
        if "recording" not in data:
            self.places[name][bytes.fromhex(data["key"])] = place
            return
        if data["recording"] > FORMAT:
            msg = f"format {data['recording']}, this version reads up to {FORMAT}: upgrade prompt-portability-harness"
            raise ValueError(msg)
        self.sources.pop(name, None)  # the newest source is last
        self.sources[name] = _source_of(data)
        self.places.setdefault(name, {})

    @property
    def backends(self) -> list[str]:
        """The names of the recorded backends."""
        return sorted({source.backend for source in self.sources.values()})

    def newest(self, backend: str) -> RecordingSource | None:
        """The newest source of a backend."""
        return next((each for each in reversed(self.sources.values()) if each.backend == backend), None)

    def replies(self, backend: str = "") -> RecordedReplies:
        """The replies of a backend; the name may be empty if there is only one. Of several models, the newest counts.

        Raises `StoreError` for an unknown name, or an empty name if there are several backends.
        """
        names = self.backends
        if not backend and len(names) > 1:
            choices = ", ".join(f"replay:{self.path}#{name}" for name in names)
            msg = f"{self.path} has replies of several backends: use one of {choices}"
            raise StoreError(msg)
        newest = self.newest(backend or "".join(names))
        if newest is None:
            problem = f"no replies of {backend!r} (there are: {', '.join(names)})" if names else "no replies yet"
            msg = f"{self.path} has {problem}: `harness run --record {self.path}` writes them"
            raise StoreError(msg)
        same = {
            name: source
            for name, source in self.sources.items()
            if (source.backend, source.model) == (newest.backend, newest.model)
        }
        cells = tuple(dict.fromkeys(f"{source.eval} {source.variant}" for source in same.values()))
        return RecordedReplies(self.path, newest, cells, tuple(self.places[name] for name in same))


@dataclass(frozen=True, slots=True)
class RecordedReplies:
    """The replies of one model. `source`: the newest of its sources. `cells`: `EVAL VARIANT` of each prompt."""

    path: Path
    source: RecordingSource
    cells: tuple[str, ...]
    places: tuple[Mapping[bytes, int], ...]

    def find(self, key: str) -> Response | None:
        """The reply to the request with that key; raises `StoreError` if the file has changed."""
        binary_key = bytes.fromhex(key)
        place = max(places.get(binary_key, -1) for places in self.places)
        if place < 0:
            return None
        try:
            with self.path.open("rb") as file:
                file.seek(place)
                data = json.loads(file.readline())
            if data["key"] == key:
                return _response_of(data["response"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            msg = f"{self.path}: a reply cannot be read ({error}): record the file again"
            raise StoreError(msg) from None
        msg = f"{self.path} has changed during the replay: run again"
        raise StoreError(msg)


class Recorder:
    """Appends replies to a recording, in whole lines and unbuffered, so that a killed run loses none. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises `StoreError` if it cannot be written or is not a recording."""
        self.path = path
        self._turn = Lock()
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)  # minus the umask
        try:
            recording = Recording(path)
            self._newest = {name: source.model for name in recording.backends if (source := recording.newest(name))}
            with _explained(path):
                self._repair_last_line()
            self._written = {_line_hash(line) for _, _, line in _lines(path)}
        except StoreError:
            os.close(self._file)
            raise

    def add(self, manifest: Manifest, results: Sequence[Result], own_variant: str) -> None:
        """Write the replies that the file does not have yet; raises `StoreError` if the disk fails.

        Failed calls and replayed runs are left out.
        """
        answered = [result for result in results if result.response.error is None]
        if not answered or manifest.origin in {RunOrigin.REPLAYED, RunOrigin.RECORDED}:
            return
        source = _source(manifest, own_variant)
        values = asdict(source)
        name = hashlib.sha256(serialize.dump(values).encode()).hexdigest()[:16]
        head = _line({"recording": FORMAT, "source": name, **values})
        lines = {_line_hash(line): line for line in (_reply_line(name, result) for result in answered)}
        with self._turn:
            new = [line for line_hash, line in lines.items() if line_hash not in self._written]
            if _line_hash(head) not in self._written or self._newest.get(source.backend) != source.model:
                new.insert(0, head)
            with _explained(self.path):
                self._write(b"".join(new))
            self._newest[source.backend] = source.model
            self._written.update(lines, [_line_hash(head)])

    def close(self) -> None:
        """Flush the file to disk and close it."""
        with _explained(self.path):
            try:
                os.fsync(self._file)
            finally:
                os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def _repair_last_line(self) -> None:
        """Complete a last line that lacks only its newline, or remove one that a power failure cut short."""
        end = 0
        for _, place, line in _lines(self.path):
            end = place + len(line) if line.endswith(b"\n") else end
            if not line.endswith(b"\n") and _is_object(line):
                self._write(b"\n")
                return
        if end < self.path.stat().st_size:
            os.ftruncate(self._file, end)


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Number, byte offset and text of each line."""
    place = 0
    with _explained(path, "read"), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, place, line
            place += len(line)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@contextmanager
def _explained(path: Path, action: str = "written") -> Iterator[None]:
    """Turn errors of the disk into one-line messages."""
    try:
        yield
    except OSError as error:
        msg = f"{path}: cannot be {action}: {error.strerror or error}"
        raise StoreError(msg) from None


def _line(data: Mapping[str, Any]) -> bytes:
    return serialize.dump(data).encode() + b"\n"


def _line_hash(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _source(manifest: Manifest, own_variant: str) -> RecordingSource:
    fingerprint = manifest.fingerprint
    model = ModelInfo(
        model=fingerprint.get("model", ""),
        digest=fingerprint.get("model_digest", ""),
        quantization=fingerprint.get("quantization", ""),
        parameters=fingerprint.get("parameters", ""),
        engine=fingerprint.get("engine", ""),
        engine_version=fingerprint.get("engine_version", ""),
        size=manifest.model_bytes,
    )
    return RecordingSource(manifest.backend, own_variant, manifest.variant, manifest.eval, manifest.prompt, model)


def _source_of(data: Mapping[str, Any]) -> RecordingSource:
    """A source from its line, without fields of newer versions."""
    model = {f.name: data["model"][f.name] for f in fields(ModelInfo) if f.name in data["model"]}
    known = {f.name: data[f.name] for f in fields(RecordingSource) if f.name != "model"}
    return RecordingSource(**known, model=ModelInfo(**model))


def _reply_line(source: str, result: Result) -> bytes:
    """The line of a reply, without fields at their defaults."""
    response = {name: value for name, value in asdict(result.response).items() if value != _EMPTY_RESPONSE[name]}
    case, when = result.case.id, result.answered_at
    return _line({"source": source, "key": result.request_key, "case": case, "answered_at": when, "response": response})


def _response_of(data: Mapping[str, Any]) -> Response:
    known = {name: data[name] for name in _EMPTY_RESPONSE if name in data}
    return serialize.response_of({**_EMPTY_RESPONSE, **known, "error": None})
