"""Cases that the user selects: `--case ID`, and `--filter` by tag, label or id.

A selected part of the cases is a sample, as with `--limit`: its gates are not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from harness.core.errors import ConfigError, DatasetError
from harness.core.formatting import value_text
from harness.core.lazy import LazySubset
from harness.core.toml import hint
from harness.core.types import Case
from harness.project import datasets
from harness.project.evals import Eval
from harness.project.run_options import RunOptions

KINDS = ("tag", "label", "id")
_CASE = "case"


def selection_of(options: RunOptions) -> tuple[str, ...]:
    """Return `case:ID` for each `--case`, and the filters; empty if all cases are wanted. Raises `ConfigError`."""
    for text in options.filter:
        kind, separator, pattern = text.partition(":")
        if not separator or kind not in KINDS or not pattern:
            msg = f"--filter {text}: use tag:NAME, label:NAME or id:NAME; * and ? match any characters (id:tt-0*)"
            raise ConfigError(msg)
    return (*(f"{_CASE}:{case_id}" for case_id in dict.fromkeys(options.case)), *dict.fromkeys(options.filter))


def select(cases: Sequence[Case], selection: Sequence[str], limit: int | None = None) -> Sequence[Case]:
    """Return the first `limit` cases that have one of the ids (if there are any) and match every filter."""
    parts = [part.partition(":") for part in selection]
    ids = {value for kind, _, value in parts if kind == _CASE}
    filters = [(kind, value) for kind, _, value in parts if kind != _CASE]

    def matches(case: Case) -> bool:
        return (not ids or case.id in ids) and all(
            any(fnmatchcase(value, pattern) for value in _values(case, kind)) for kind, pattern in filters
        )

    places = [place for place, case in enumerate(cases) if matches(case)]
    return LazySubset(cases, places[:limit])


def check(root: Path, definitions: Iterable[Eval], options: RunOptions) -> None:
    """Raise `DatasetError` if a selected id is in none of the evals, or if no case matches the filters."""
    selection = selection_of(options)
    if not selection:
        return
    names: list[str] = []
    cases: list[Case] = []
    elsewhere: dict[str, str] = {}
    for definition in definitions:
        dataset = datasets.load(root, definition.dataset)
        split = options.split or definition.split
        cases += dataset.select(None if split == "all" else split)
        names.append(f"{definition.name} (split {split})" if dataset.splits and split else definition.name)
        elsewhere |= {case.id: case.split for case in dataset.cases if case.split != split}
    known = {case.id for case in cases}
    for case_id in options.case:
        if case_id not in known:
            is_elsewhere = f": add --split {elsewhere[case_id]}" if case_id in elsewhere else hint(case_id, known)
            msg = f"no case {case_id!r} in {', '.join(names)}{is_elsewhere}"
            raise DatasetError(msg)
    if not len(select(cases, selection)):
        kind, _, pattern = options.filter[0].partition(":")
        near = hint(pattern, {value for case in cases for value in _values(case, kind)})
        msg = f"no case in {', '.join(names)} matches {' and '.join(selection)}{near}"
        raise DatasetError(msg)


def _values(case: Case, kind: str) -> tuple[str, ...]:
    if kind == "tag":
        return case.tags
    if kind == "label":
        expected = case.expected if isinstance(case.expected, list) else [case.expected]
        return tuple(map(value_text, expected))
    return (case.id,)
