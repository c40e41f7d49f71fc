"""Names in `harness/`: no class name exists twice, and none is a word of the vocabulary that was given up."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FUNCTIONS_AND_MODULES = frozenset(
    [
        "told",
        "said",
        "found",
        "asked",
        "one",
        "asking",
        "answering",
        "keeping",
        "judging",
        "lookup",
        "suspects",
        "spool",
        "heed",
        "today",
        "seen",
        "sent",
        "mapped",
        "chosen",
        "piece",
        "usable",
        "several",
        "resampling",
        "rates",
        "listener",
        "side",
        "standing",
    ]
)
CLASSES = frozenset(
    [
        "Told",
        "Said",
        "Found",
        "Asked",
        "Asks",
        "Asker",
        "Patience",
        "Answers",
        "Crew",
        "Keeper",
        "Listener",
        "Session",
        "Settings",
        "Slots",
        "Cohort",
        "Bucket",
        "Today",
        "Seen",
        "Sent",
        "Mapped",
        "Chosen",
        "Side",
        "Standing",
        "Line",
        "Sum",
        "Chain",
        "Member",
        "Work",
        "Question",
        "Dialect",
        "LostError",
        "Setting",
        "Denials",
        "Options",
    ]
)

ALLOWED = frozenset(
    [
        "harness/advice/advise.py:seen",
        "harness/analysis/costs/projection.py:today",
        "harness/cli/datasets.py:suspects",
        "harness/contracts/json/coerce.py:_chosen",
        "harness/report/comparison_formats.py:_side",
        "harness/report/comparison_text.py:standing",
        "harness/report/formats/json.py:_rates",
        "harness/report/sections/advice.py:_standing",
        "harness/report/terminal.py:_rates",
    ]
)
"""Names that still have to go. The list only gets shorter: a name that is gone must leave it, too."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "harness").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def old_names() -> Iterator[str]:
    for path, tree in modules():
        stem = path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]
        if stem.strip("_") in FUNCTIONS_AND_MODULES:
            yield path
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.strip("_") in CLASSES:
                yield f"{path}:{node.name}"
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.name.strip("_") in FUNCTIONS_AND_MODULES:
                yield f"{path}:{node.name}"


def test_no_class_name_exists_twice() -> None:
    places = defaultdict(list)
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}


def test_no_name_is_of_the_old_vocabulary() -> None:
    assert sorted(set(old_names()) - ALLOWED) == []


def test_allowed_names_still_exist() -> None:
    assert sorted(ALLOWED - set(old_names())) == []
