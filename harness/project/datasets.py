"""Golden datasets: `datasets/<name>/card.toml` and its cases, validated row by row."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core.errors import DatasetError
from harness.core.lazy import LazyMap, LazySubset, Spool
from harness.core.toml import at, hint, parse, read_toml
from harness.core.types import Case
from harness.project.dataset_card import Card
from harness.project.dataset_sources import InvalidRow, rows

FOLDER = "datasets"
CARD = "card.toml"
COLUMNS = ("id", "inputs", "expected", "tags", "split", "label_source", "cluster")
SHOWN = 20
"""Most invalid rows that one message lists."""
IN_MEMORY = 50_000
"""Most cases that are kept in memory. Larger datasets are read from disk on access."""


@dataclass(frozen=True)
class Dataset:
    """Validated golden dataset. `digest` is independent of row order, tags and splits."""

    name: str
    card: Card
    cases: Sequence[Case]
    path: Path

    @property
    def digest(self) -> str:
        """Hash of all cases, as `sha256:…`."""
        return fingerprint(self.cases)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have cases, sorted; empty if the dataset has no splits."""
        return tuple(sorted(split for split in self._places if split))

    @cached_property
    def _places(self) -> Mapping[str, Sequence[int]]:
        """Indices of the cases of each split."""
        places: dict[str, array[int]] = {}
        for place, case in enumerate(self.cases):
            places.setdefault(case.split, array("L")).append(place)
        return places

    def select(self, split: str | None = None, limit: int | None = None) -> Sequence[Case]:
        """Return the cases of a split, or its first `limit` cases; raises `DatasetError` if there are none.

        If the dataset has no splits, `split` is ignored.
        """
        if limit is not None and limit < 1:
            msg = f"{self.path}: limit is {limit}, which selects no case: use at least 1"
            raise DatasetError(msg)
        if split is not None and not self.splits:
            split = None
        places = range(len(self.cases)) if split is None else self._places.get(split, ())
        if not places:
            msg = f"{self.path}: no cases in split {split!r}{hint(split or '', self.splits)}"
            raise DatasetError(msg)
        return LazySubset(self.cases, places[:limit])


def fingerprint(cases: Iterable[Case]) -> str:
    """Return the hash of a set of cases, as `sha256:…`. It does not depend on the order."""
    digest = hashlib.sha256()
    for case_hash in sorted(bytes.fromhex(case.digest) for case in cases):  # bytes: half the memory, same order
        digest.update(case_hash.hex().encode())
    return f"sha256:{digest.hexdigest()}"


def case_digest(case_id: str, inputs: Mapping[str, Any], expected: Any) -> str:
    """Return the content hash of a case: its id, inputs and expected answer."""
    row = json.dumps([case_id, inputs, expected], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(row.encode()).hexdigest()


def names(root: Path) -> list[str]:
    """Return the names of a project's datasets, sorted."""
    return sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{CARD}"))


def load(root: Path, name: str) -> Dataset:
    """Load and validate `datasets/<name>`; raises `DatasetError` with file, line and field."""
    return load_with_places(root, name)[0]


def card_of(root: Path, name: str) -> Card:
    """Load `datasets/<name>/card.toml` only; raises `DatasetError`, or `ConfigError` for an invalid file."""
    folder = root / FOLDER / name
    if not (folder / CARD).is_file():
        msg = f"no dataset {name!r}: {folder / CARD} does not exist{hint(name, names(root))}"
        raise DatasetError(msg)
    card = parse(Card, read_toml(folder / CARD), folder / CARD)
    if card.name != name:
        msg = f"{at(folder / CARD, ('name',))}name is {card.name!r}, but the folder is {name!r}: use the same name"
        raise DatasetError(msg)
    return card


def load_with_places(root: Path, name: str) -> tuple[Dataset, Sequence[str]]:
    """As `load`, with the place of each case in its source: `file:line`, or the row number."""
    folder = root / FOLDER / name
    card = card_of(root, name)
    source = card.source if card.source.startswith("hub:") else str(folder / card.source)
    problems: list[str] = []
    reader = _CaseReader()
    for where, row in rows(card, source):
        if isinstance(row, InvalidRow):
            problems.append(row.problem)
            continue
        if (case := _case(where, row, card, problems)) is not None:
            reader.add(where, case)
    problems += reader.contradictions()
    cases = reader.cases if len(reader.cases) > IN_MEMORY else tuple(reader.cases)
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DatasetError("\n".join(problems[:SHOWN]) + more)
    if not cases:
        msg = f"{source}: no rows: a golden dataset needs at least one case"
        raise DatasetError(msg)
    path = Path(source) if not source.startswith("hub:") else folder / CARD
    return Dataset(card.name, card, cases, path), reader.places


def _case(where: str, row: Any, card: Card, problems: list[str]) -> Case | None:
    """Validate one row. Errors are appended to `problems`."""
    if not isinstance(row, dict):
        problems.append(f"{where}: a row must be a JSON object, not {type(row).__name__}")
        return None
    case_id, inputs, expected = (row.get(name) for name in ("id", "inputs", "expected"))
    errors = [f"unknown column {name!r}{hint(name, COLUMNS)}" for name in row if name not in COLUMNS]
    errors += [*_content_errors(row, card), *_metadata_errors(row, card)]
    if errors or not isinstance(case_id, str) or not isinstance(inputs, dict):
        name = f" (case {case_id})" if isinstance(case_id, str) else ""
        problems.extend(f"{where}{name}: {error}" for error in errors)
        return None
    tags, split, source = row.get("tags", ()), row.get("split", ""), row.get("label_source", card.label_source)
    digest = case_digest(case_id, inputs, expected)
    return Case(case_id, inputs, expected, tuple(tags), split, source, digest, _cluster(row, inputs, card))


def _cluster(row: Mapping[str, Any], inputs: Mapping[str, Any], card: Card) -> str:
    """The cluster of a valid row: its own, else the card's input."""
    if row.get("cluster") or card.cluster is None:
        return str(row.get("cluster", ""))
    value = inputs[card.cluster]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _content_errors(row: Mapping[str, Any], card: Card) -> Iterator[str]:
    yield from (f"column {name!r} is missing" for name in ("id", "inputs", "expected") if name not in row)
    case_id, inputs, expected = (row.get(name) for name in ("id", "inputs", "expected"))
    if "id" in row and not (isinstance(case_id, str) and case_id.strip()):
        yield f"id must be a non-empty string, not {case_id!r:.60}"
    if isinstance(inputs, dict) and inputs:
        yield from (f"input {name!r} {what}" for name, value in inputs.items() if (what := _flaw(value)))
    elif "inputs" in row:
        yield f"inputs must be an object with at least one value, not {inputs!r:.60}"
    if "expected" in row and (what := _flaw(expected)):
        yield f"expected {what}"
    elif "expected" in row and card.labels:
        for label in expected if isinstance(expected, list) else [expected]:
            if label not in card.labels:
                near = hint(label if isinstance(label, str) else "", card.labels)
                yield f"expected {label!r:.60} is not among the card's labels{near}"


def _metadata_errors(row: Mapping[str, Any], card: Card) -> Iterator[str]:
    tags, split, source = row.get("tags", ()), row.get("split", ""), row.get("label_source", "")
    if not (isinstance(tags, list | tuple) and all(isinstance(tag, str) for tag in tags)):
        yield f"tags must be a list of strings, not {tags!r:.60}"
    elif card.tags:
        unknown = (tag for tag in tags if tag not in card.tags)
        yield from (f"tag {tag!r} is not in the card's [tags]{hint(tag, card.tags)}" for tag in unknown)
    if not isinstance(split, str) or (card.splits and split not in card.splits):
        yield f"split {split!r:.60} is not among the card's splits{hint(str(split), card.splits)}"
    if not isinstance(source, str):
        yield f"label_source must be a string, not {source!r:.60}"
    cluster, inputs = row.get("cluster", ""), row.get("inputs")
    if not isinstance(cluster, str):
        yield f"cluster must be a string, not {cluster!r:.60}"
    elif not cluster and card.cluster is not None and isinstance(inputs, dict) and card.cluster not in inputs:
        yield f"no input {card.cluster!r}, which the card names as cluster{hint(card.cluster, inputs)}"


def _flaw(value: Any) -> str | None:
    """Reason why a value cannot be an input or an expected answer; `None` if it can."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is empty"
    try:
        (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)).encode()
    except UnicodeEncodeError as error:
        return f"has an unpaired surrogate {error.object[error.start]!a}: it is not Unicode text"
    except (TypeError, ValueError):
        return f"is {value!r:.60}: only text, numbers, lists and objects are allowed"
    return None


class _CaseReader:
    """Collects cases and finds errors between rows. Keeps two hashes per case in memory, and the text on disk."""

    def __init__(self) -> None:
        self._rows = Spool()
        self._ids, self._inputs = array("q"), array("q")
        self.places = LazyMap(self._rows, lambda row: _decoded(row)[0])
        self.cases = LazyMap(self._rows, lambda row: _decoded(row)[1])

    def add(self, where: str, case: Case) -> None:
        """Add a case that is at `where`."""
        fields = [where, *(getattr(case, name) for name in Case.__slots__)]
        self._rows.append(_ROW.encode(fields).encode())
        self._ids.append(hash(case.id))
        self._inputs.append(hash(_inputs(case)))

    def contradictions(self) -> list[str]:
        """Messages for duplicate ids and for equal inputs with different labels, in row order."""
        messages: list[tuple[int, str]] = []
        for places in _alike(self._ids):
            first: dict[str, str] = {}
            for place, (where, case) in self._at(places):
                if (earlier := first.setdefault(case.id, where)) != where:
                    messages.append((place, f"{where}: duplicate id {case.id!r}, first at {earlier}"))
        for places in _alike(self._inputs):
            known: dict[str, tuple[str, Case]] = {}
            for place, (where, case) in self._at(places):
                other_where, other = known.setdefault(_inputs(case), (where, case))
                if other.expected != case.expected:
                    message = (
                        f"{where} (case {case.id}): expected {case.expected!r}, but {other_where} (case {other.id}) "
                        f"has the same inputs with {other.expected!r}"
                    )
                    messages.append((place, message))
        return [message for _, message in sorted(messages, key=lambda item: item[0])]

    def _at(self, places: Iterable[int]) -> Iterator[tuple[int, tuple[str, Case]]]:
        return ((place, _decoded(self._rows.read(place, place + 1)[0])) for place in places)


_ROW = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def _decoded(row: bytes) -> tuple[str, Case]:
    where, case_id, inputs, expected, tags, *rest = json.loads(row)
    return where, Case(case_id, inputs, expected, tuple(tags), *rest)


def _inputs(case: Case) -> str:
    return json.dumps(case.inputs, sort_keys=True)


def _alike(hashes: array[int]) -> Iterator[list[int]]:
    """Yield the ascending indices of each hash that occurs more than once."""
    if len(hashes) <= IN_MEMORY and len(set(hashes)) == len(hashes):
        return
    import numpy as np

    values = np.frombuffer(hashes, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    first: int | None = None
    for place in np.flatnonzero(np.diff(values[order]) == 0):  # each equals the next
        if first is None:
            first, last = int(place), int(place)
        elif place != last + 1:
            yield [int(index) for index in order[first : last + 2]]
            first = int(place)
        last = int(place)
    if first is not None:
        yield [int(index) for index in order[first : last + 2]]
