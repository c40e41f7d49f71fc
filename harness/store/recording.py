"""Answers in a file that goes from machine to machine: `harness run --record FILE`, `--backend replay:FILE`.

JSON Lines of two kinds. A source says who was asked, an answer what it said to which request:

    {"recording":1,"source":"9f86…","backend":"gpt-4o","variant":"gpt","eval":"triage","model":{…},…}
    {"source":"9f86…","key":"<hash of the request>","case":"t-1","answered_at":"…","response":{…}}

A line needs no other one but its source's, which comes before it, so that files may be put behind one another. A line
that is there twice says nothing new; of several answers to one request the last one counts. Failed calls are not kept,
and neither are prompts, addresses and keys.
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
"""Version of the lines above. 1: the first."""

ENDING = ".jsonl"
"""By which `replay:FILE` is told from `replay:RUN`."""

_NOTHING_SAID = asdict(Response())


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """Who was asked. `own_variant` is the one that the backend is tuned for; the model's `note` is not kept."""

    backend: str
    own_variant: str
    variant: str
    eval: str
    prompt: str
    model: ModelInfo


class Recording:
    """What a file holds. Answers stay on the disk until they are wanted: in memory is where each of them stands."""

    def __init__(self, path: Path) -> None:
        """Read `path` once; raises `StoreError` with path and line for what is no recording."""
        self.path = path
        self.sources: dict[str, RecordingSource] = {}
        self.places: dict[str, dict[bytes, int]] = {}
        """Source -> key of a request -> where the line of its answer begins, in bytes."""
        hashed = hashlib.sha256()
        for number, place, line in _lines(path):
            try:
                self._take(place, json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                if not line.endswith(b"\n"):
                    break  # the power went while it was being written
                msg = f"{path}:{number}: no line of a recording ({error or type(error).__name__})"
                raise StoreError(msg) from None
            hashed.update(line)
        self.digest = hashed.hexdigest()
        """Hash of all that the file says."""

    def _take(self, place: int, data: Mapping[str, Any]) -> None:
        name = str(data["source"])
        if "recording" not in data:
            self.places[name][bytes.fromhex(data["key"])] = place
            return
        if data["recording"] > FORMAT:
            what = f"format {data['recording']}, this version reads up to {FORMAT}: upgrade prompt-portability-harness"
            raise ValueError(what)
        self.sources.pop(name, None)  # the last one named is the newest
        self.sources[name] = _source_of(data)
        self.places.setdefault(name, {})

    @property
    def backends(self) -> list[str]:
        """The names of those who were asked."""
        return sorted({source.backend for source in self.sources.values()})

    def newest(self, backend: str) -> RecordingSource | None:
        """Who was asked last by that name."""
        return next((each for each in reversed(self.sources.values()) if each.backend == backend), None)

    def answers(self, backend: str = "") -> RecordedReplies:
        """The answers of a backend, by default of the only one. Where its model has changed, those of the newest.

        Raises `StoreError` where there is none of that name, or several and no name.
        """
        names = self.backends
        if not backend and len(names) > 1:
            each = ", ".join(f"replay:{self.path}#{name}" for name in names)
            msg = f"{self.path} holds answers of several backends, say of which: {each}"
            raise StoreError(msg)
        newest = self.newest(backend or "".join(names))
        if newest is None:
            what = f"no answers of {backend!r} (there are: {', '.join(names)})" if names else "no answers yet"
            msg = f"{self.path} holds {what}: `harness run --record {self.path}` writes them"
            raise StoreError(msg)
        same = {
            name: source
            for name, source in self.sources.items()
            if (source.backend, source.model) == (newest.backend, newest.model)
        }
        evals = tuple(sorted({source.eval for source in same.values()}))
        return RecordedReplies(self.path, newest, evals, tuple(self.places[name] for name in same))


@dataclass(frozen=True, slots=True)
class RecordedReplies:
    """What one model said when the `evals` were run. `source` is the newest of its sources."""

    path: Path
    source: RecordingSource
    evals: tuple[str, ...]
    places: tuple[Mapping[bytes, int], ...]

    def find(self, key: str) -> Response | None:
        """The answer to the request with that key, if there is one."""
        asked = bytes.fromhex(key)
        place = max(each.get(asked, -1) for each in self.places)
        if place < 0:
            return None
        try:
            with self.path.open("rb") as file:
                file.seek(place)
                data = json.loads(file.readline())
            if data["key"] == key:
                return _response_of(data["response"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            msg = f"{self.path}: an answer cannot be read ({error}): record it anew"
            raise StoreError(msg) from None
        msg = f"{self.path} was changed while it was being replayed: run again"
        raise StoreError(msg)


class Recorder:
    """Writes what is answered behind what a file has: whole lines, at once, so that a killed run has lost none.

    Threads may share one.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises `StoreError` where it cannot be written or is something else."""
        self.path = path
        self._turn = Lock()
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)  # less what the umask takes
        try:
            found = Recording(path)
            self._newest = {name: source.model for name in found.backends if (source := found.newest(name))}
            with _explained(path):
                self._mend()
            self._written = {_brief(line) for _, _, line in _lines(path)}
        except StoreError:
            os.close(self._file)
            raise

    def add(self, manifest: Manifest, results: Sequence[Result], own_variant: str) -> None:
        """Write the answers of a run that the file has not got; raises `StoreError` where the disk does not take them.

        Not failed calls, which are to be made again, and not what was replayed itself.
        """
        answered = [result for result in results if result.response.error is None]
        if not answered or manifest.origin is RunOrigin.REPLAYED:
            return
        source = _source(manifest, own_variant)
        told = asdict(source)
        name = hashlib.sha256(serialize.dump(told).encode()).hexdigest()[:16]
        head = _line({"recording": FORMAT, "source": name, **told})
        lines = {_brief(line): line for line in (_answer(name, result) for result in answered)}
        with self._turn:
            new = [line for brief, line in lines.items() if brief not in self._written]
            if _brief(head) not in self._written or self._newest.get(source.backend) != source.model:
                new.insert(0, head)
            with _explained(self.path):
                self._write(b"".join(new))
            self._newest[source.backend] = source.model
            self._written.update(lines, [_brief(head)])

    def close(self) -> None:
        """Have everything on the disk itself."""
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

    def _mend(self) -> None:
        """A last line without its end: whole but for that, or the rest of one that the power cut short."""
        whole = 0
        for _, place, line in _lines(self.path):
            whole = place + len(line) if line.endswith(b"\n") else whole
            if not line.endswith(b"\n") and _is_whole(line):
                self._write(b"\n")
                return
        if whole < self.path.stat().st_size:
            os.ftruncate(self._file, whole)


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Number, place in bytes and text of each line."""
    place = 0
    with _explained(path, "read"), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, place, line
            place += len(line)


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@contextmanager
def _explained(path: Path, what: str = "written") -> Iterator[None]:
    """What the disk has against it, on one line."""
    try:
        yield
    except OSError as error:
        msg = f"{path}: cannot be {what}: {error.strerror or error}"
        raise StoreError(msg) from None


def _line(data: Mapping[str, Any]) -> bytes:
    return serialize.dump(data).encode() + b"\n"


def _brief(line: bytes) -> bytes:
    """What a line is recognised by; shorter than most."""
    return hashlib.blake2b(line, digest_size=16).digest()


def _source(manifest: Manifest, own_variant: str) -> RecordingSource:
    told = manifest.fingerprint
    model = ModelInfo(
        model=told.get("model", ""),
        digest=told.get("model_digest", ""),
        quantization=told.get("quantization", ""),
        parameters=told.get("parameters", ""),
        engine=told.get("engine", ""),
        engine_version=told.get("engine_version", ""),
        size=manifest.model_bytes,
    )
    return RecordingSource(manifest.backend, own_variant, manifest.variant, manifest.eval, manifest.prompt, model)


def _source_of(data: Mapping[str, Any]) -> RecordingSource:
    """A source by its line. What this version does not know is left out."""
    model = {f.name: data["model"][f.name] for f in fields(ModelInfo) if f.name in data["model"]}
    known = {f.name: data[f.name] for f in fields(RecordingSource) if f.name != "model"}
    return RecordingSource(**known, model=ModelInfo(**model))


def _answer(source: str, result: Result) -> bytes:
    """The line of an answer. Of the response only what says something."""
    said = {name: value for name, value in asdict(result.response).items() if value != _NOTHING_SAID[name]}
    case, when = result.case.id, result.answered_at
    return _line({"source": source, "key": result.request_key, "case": case, "answered_at": when, "response": said})


def _response_of(said: Mapping[str, Any]) -> Response:
    known = {name: said[name] for name in _NOTHING_SAID if name in said}
    return serialize.response_of({**_NOTHING_SAID, **known, "error": None})
