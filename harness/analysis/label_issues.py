"""Find cases whose label may be wrong, because models agree with each other against it.

Such cases are to be reviewed first; they are not proven wrong. The better the models, the likelier the label is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.compare.sides import NO_ANSWER, answer_key
from harness.core.plugins import task_capabilities
from harness.core.types import JSON, Case, Result, Run

ALL_BACKENDS = ""
"""The group of the cells that production uses, one per backend. The name of any other group is its backend."""


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A case and the answer, read leniently, in which `cells` agree against its label.

    `groups`: the groups of cells that agree, `ALL_BACKENDS` or all variants on a backend.
    """

    case: Case
    answer: JSON
    cells: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _WrongAnswer:
    """The commonest answer of a cell to a case, if it differs from the expected one."""

    case: Case
    key: str
    answer: JSON


def find(runs: Sequence[Run], own: Collection[str]) -> list[LabelIssue]:
    """List cases of one eval whose label may be wrong.

    Args:
        runs: One run of each cell. Embeddings are skipped, because their readings hold no answer.
        own: The cells that production uses.

    Returns:
        First those on which all backends agree, then by the number of cells that agree, then by id.
    """
    runs = [run for run in runs if not task_capabilities(run.manifest.task).is_retrieval]
    wrong = {run.manifest.cell: _wrong(run.results) for run in runs}
    issues: dict[tuple[str, str], LabelIssue] = {}
    for group, cells in _groups(runs, own):
        for each in _agreed([wrong[cell] for cell in cells]):
            place = (each.case.id, each.key)
            known = issues.get(place, LabelIssue(each.case, each.answer, (), ()))
            together = tuple(dict.fromkeys((*known.cells, *cells)))
            issues[place] = LabelIssue(each.case, each.answer, together, (*known.groups, group))
    return sorted(issues.values(), key=lambda s: (ALL_BACKENDS not in s.groups, -len(s.cells), s.case.id))


def _groups(runs: Sequence[Run], own: Collection[str]) -> list[tuple[str, list[str]]]:
    """Groups of cells whose agreement counts: across backends, and across variants on one backend."""
    manifests = [run.manifest for run in runs]
    usual = [m for m in manifests if m.cell in own]
    groups = [(ALL_BACKENDS, [m.cell for m in usual])] if len({m.backend for m in usual}) > 1 else []
    for backend in dict.fromkeys(m.backend for m in manifests):
        cells = {m.variant: m.cell for m in manifests if m.backend == backend}
        if len(cells) > 1:
            groups.append((backend, list(cells.values())))
    return groups


def _agreed(cells: Sequence[Mapping[str, _WrongAnswer]]) -> Iterable[_WrongAnswer]:
    """Wrong answers that all cells share."""
    first, *others = cells
    return [w for i, w in first.items() if all((o := other.get(i)) and o.key == w.key for other in others)]


def _wrong(results: Iterable[Result]) -> dict[str, _WrongAnswer]:
    """Wrong answers by case id and digest, so that edited cases are kept apart."""
    by_case: dict[str, list[Result]] = {}
    for result in results:
        if result.reading is not None and result.score is not None:
            by_case.setdefault(f"{result.case.id} {result.case.digest}", []).append(result)
    return {i: answer for i, replies in by_case.items() if (answer := _mostly(replies)) is not None}


def _mostly(replies: Sequence[Result]) -> _WrongAnswer | None:
    keys = [answer_key(r.reading) for r in replies if r.reading is not None]
    key, times = Counter(keys).most_common(1)[0]
    result = replies[keys.index(key)]
    if key == NO_ANSWER or 2 * times <= len(keys) or result.score is None or result.score.lenient:
        return None
    return _WrongAnswer(result.case, key, result.reading.lenient if result.reading else None)
