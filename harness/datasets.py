"""Golden datasets: `datasets/<name>/card.toml` and the cases, read and checked row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import at, hint, parse, read_toml
from harness.errors import DatasetError
from harness.sources import Card, rows
from harness.types import Case

FOLDER = "datasets"
CARD = "card.toml"
COLUMNS = ("id", "inputs", "expected", "tags", "split", "label_source")
SHOWN = 8
"""How many bad rows one message names."""


@dataclass(frozen=True)
class Dataset:
    """A golden dataset, read and checked. `digest` does not depend on the order of rows, nor on tags and splits."""

    name: str
    card: Card
    cases: tuple[Case, ...]
    path: Path

    @property
    def digest(self) -> str:
        """`sha256:…` over all cases."""
        return fingerprint(self.cases)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that cases are in, by name; nothing where the dataset is not split."""
        return tuple(sorted({case.split for case in self.cases if case.split}))

    def select(self, split: str | None = None, limit: int | None = None) -> tuple[Case, ...]:
        """The cases of a split, or the first `limit` of them; raises `DatasetError` where there are none.

        A dataset that is not split has one: all of it, whatever it is called.
        """
        if limit is not None and limit < 1:
            msg = f"{self.path}: a limit of {limit} leaves no case: 1 is the least"
            raise DatasetError(msg)
        if split is not None and not self.splits:
            split = None
        chosen = [case for case in self.cases if split is None or case.split == split]
        if not chosen:
            msg = f"{self.path}: no cases in split {split!r}{hint(split or '', self.splits)}"
            raise DatasetError(msg)
        return tuple(chosen[:limit])


def fingerprint(cases: Iterable[Case]) -> str:
    """`sha256:…` of a set of cases, in whatever order."""
    digest = hashlib.sha256()
    for one in sorted(case.digest for case in cases):
        digest.update(one.encode())
    return f"sha256:{digest.hexdigest()}"


def case_digest(case_id: str, inputs: Mapping[str, Any], expected: Any) -> str:
    """Hash of what is asked and what is expected."""
    row = json.dumps([case_id, inputs, expected], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(row.encode()).hexdigest()


def names(root: Path) -> list[str]:
    """The datasets of a project."""
    return sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{CARD}"))


def load(root: Path, name: str) -> Dataset:
    """`datasets/<name>`, validated; raises `DatasetError` that names file, line and field."""
    folder = root / FOLDER / name
    if not (folder / CARD).is_file():
        msg = f"no dataset {name!r}: {folder / CARD} does not exist{hint(name, names(root))}"
        raise DatasetError(msg)
    card = parse(Card, read_toml(folder / CARD), folder / CARD)
    if card.name != name:
        msg = f"{at(folder / CARD, ('name',))}name is {card.name!r}, but the folder is {name!r}: make them the same"
        raise DatasetError(msg)
    source = card.source if card.source.startswith("hub:") else str(folder / card.source)
    problems: list[str] = []
    read = ((where, _case(where, row, card, problems)) for where, row in rows(card, source))
    found = [(where, case) for where, case in read if case is not None]
    _check_together(found, problems)
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DatasetError("\n".join(problems[:SHOWN]) + more)
    if not found:
        msg = f"{source}: no rows: a golden dataset needs at least one case"
        raise DatasetError(msg)
    cases = tuple(case for _, case in found)
    return Dataset(card.name, card, cases, Path(source) if not source.startswith("hub:") else folder / CARD)


def _case(where: str, row: Any, card: Card, problems: list[str]) -> Case | None:
    """One checked case; what is wrong with it goes to `problems`."""
    if not isinstance(row, dict):
        problems.append(f"{where}: a row is a JSON object, not {type(row).__name__}")
        return None
    case_id, inputs, expected = (row.get(name) for name in ("id", "inputs", "expected"))
    found = [f"unknown column {name!r}{hint(name, COLUMNS)}" for name in row if name not in COLUMNS]
    found += [*_asked(row, card), *_noted(row, card)]
    if found or not isinstance(case_id, str) or not isinstance(inputs, dict):
        name = f" (case {case_id})" if isinstance(case_id, str) else ""
        problems.extend(f"{where}{name}: {problem}" for problem in found)
        return None
    tags, split, source = row.get("tags", ()), row.get("split", ""), row.get("label_source", card.label_source)
    return Case(case_id, inputs, expected, tuple(tags), split, source, case_digest(case_id, inputs, expected))


def _asked(row: Mapping[str, Any], card: Card) -> Iterator[str]:
    """What is wrong with what a row asks and expects."""
    yield from (f"column {name!r} is missing" for name in ("id", "inputs", "expected") if name not in row)
    case_id, inputs, expected = (row.get(name) for name in ("id", "inputs", "expected"))
    if "id" in row and not (isinstance(case_id, str) and case_id.strip()):
        yield f"id must be a string that is not empty, not {case_id!r:.60}"
    if isinstance(inputs, dict) and inputs:
        yield from (f"input {name!r} {what}" for name, value in inputs.items() if (what := _flaw(value)))
    elif "inputs" in row:
        yield f"inputs must be an object with at least one value, not {inputs!r:.60}"
    if "expected" in row and (what := _flaw(expected)):
        yield f"expected {what}"
    elif "expected" in row and card.labels:
        for one in expected if isinstance(expected, list) else [expected]:
            if one not in card.labels:
                near = hint(one if isinstance(one, str) else "", card.labels)
                yield f"expected {one!r:.60} is not among the card's labels{near}"


def _noted(row: Mapping[str, Any], card: Card) -> Iterator[str]:
    """What is wrong with what a row says about itself."""
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


def _flaw(value: Any) -> str | None:
    """Why a value cannot be sent to a model, or expected of it."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is empty"
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        return f"has half a character, {error.object[error.start]!a}: it is not Unicode text"
    except (TypeError, ValueError):
        return f"is {value!r:.60}: only text, numbers, lists and objects can be written into a prompt"
    return None


def _check_together(found: Sequence[tuple[str, Case]], problems: list[str]) -> None:
    """What only shows between rows: ids given twice, the same inputs with different labels."""
    first_id: dict[str, str] = {}
    first_inputs: dict[str, tuple[str, Case]] = {}
    for where, case in found:
        earlier = first_id.setdefault(case.id, where)
        if earlier != where:
            problems.append(f"{where}: id {case.id!r} is already taken at {earlier}")
        inputs = json.dumps(case.inputs, sort_keys=True)
        other_where, other = first_inputs.setdefault(inputs, (where, case))
        if other.expected != case.expected:
            problems.append(
                f"{where} (case {case.id}): expected {case.expected!r}, but {other_where} (case {other.id}) has the "
                f"same inputs with {other.expected!r}"
            )
