"""Disk images after a power cut, from the log of writes that bench/faults/_faulty_world.c records during a run.

An image holds every write synced before the cut, and a random selection of the unsynced writes, the last of them
truncated at a random point: a disk may execute pending writes in any order.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

ENTRY = struct.Struct("<cc6xdqq")
NAMES = {b"d": "runs.db", b"w": "runs.db-wal"}


@dataclass(frozen=True)
class Entry:
    """`kind`: W(rite), T(runcate) or S(ync) of a file; `when`: monotonic."""

    kind: bytes
    file: bytes
    when: float
    offset: int
    data: bytes


@dataclass
class _File:
    synced: bytearray = field(default_factory=bytearray)
    waiting: list[Entry] = field(default_factory=list)

    def sync(self) -> None:
        for entry in self.waiting:
            apply(self.synced, entry)
        self.waiting.clear()


def diary(path: Path) -> list[Entry]:
    """Return all entries, oldest first."""
    data, at, entries = path.read_bytes(), 0, []
    while at + ENTRY.size <= len(data):
        kind, file, when, offset, length = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        entries.append(Entry(kind, file, when, offset, data[at : at + length]))
        at += length
    return entries


def apply(content: bytearray, entry: Entry) -> None:
    """Apply an entry to a file."""
    if entry.kind == b"T":
        del content[entry.offset :]
    end = entry.offset + len(entry.data)
    content.extend(bytes(max(0, end - len(content))))
    content[entry.offset : end] = entry.data


def after_power_cut(entries: list[Entry], chance: random.Random, folder: Path) -> None:
    """Write the files as a power cut right after the last of `entries` would leave them."""
    files = {name: _File() for name in NAMES}
    for entry in entries:
        if entry.kind == b"S":
            files[entry.file].sync()
        else:
            files[entry.file].waiting.append(entry)
    for name, file in files.items():
        kept = [entry for entry in file.waiting if chance.random() < 0.5]
        for place, entry in enumerate(kept):
            whole = entry.kind == b"T" or place < len(kept) - 1
            size = len(entry.data) if whole else chance.randrange(len(entry.data))
            apply(file.synced, Entry(entry.kind, entry.file, entry.when, entry.offset, entry.data[:size]))
        (folder / NAMES[name]).write_bytes(file.synced)
