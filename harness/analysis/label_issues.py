"""Cases whose label may be wrong: models agree with each other against it. Pure; people decide what is true.

Two models that make the same mistake are rarer than a label that was set in a hurry; the better the models, the rarer.
So these are the cases to look at first, not cases that are wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.compare.sides import NO_ANSWER, answer_key
from harness.core.plugins import task_capabilities
from harness.core.types import JSON, Case, Result, Run

BACKENDS = "all backends"
"""Why a case is listed: the own cells of all backends give the same wrong answer. The other reason names a backend."""


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A case and the answer, by the lenient reading, in which `cells` agree against its label.

    `why`: `BACKENDS`, or `all variants on NAME`, or both.
    """

    case: Case
    answer: JSON
    cells: tuple[str, ...]
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _WrongAnswer:
    """What a cell says to a case most of the time, where that is an answer and not the expected one."""

    case: Case
    key: str
    answer: JSON


def find(runs: Sequence[Run], own: Collection[str]) -> list[LabelIssue]:
    """Suspects among the cases of one eval. `runs`: one of each cell; `own`: the cells that production would use.

    First those on which the backends agree, then by how many cells agree, then by id. None of an embedding, whose
    readings say how long a vector is and not what it found.
    """
    runs = [run for run in runs if not task_capabilities(run.manifest.task).is_retrieval]
    wrong = {run.manifest.cell: _wrong(run.results) for run in runs}
    found: dict[tuple[str, str], LabelIssue] = {}
    for why, cells in _groups(runs, own):
        for each in _agreed([wrong[cell] for cell in cells]):
            place = (each.case.id, each.key)
            known = found.get(place, LabelIssue(each.case, each.answer, (), ()))
            together = tuple(dict.fromkeys((*known.cells, *cells)))
            found[place] = LabelIssue(each.case, each.answer, together, (*known.why, why))
    return sorted(found.values(), key=lambda s: (BACKENDS not in s.why, -len(s.cells), s.case.id))


def _groups(runs: Sequence[Run], own: Collection[str]) -> list[tuple[str, list[str]]]:
    """Cells that say something by agreeing: those of several backends, and those of several variants on one backend."""
    manifests = [run.manifest for run in runs]
    usual = [m for m in manifests if m.cell in own]
    groups = [(BACKENDS, [m.cell for m in usual])] if len({m.backend for m in usual}) > 1 else []
    for backend in dict.fromkeys(m.backend for m in manifests):
        cells = {m.variant: m.cell for m in manifests if m.backend == backend}
        if len(cells) > 1:
            groups.append((f"all variants on {backend}", list(cells.values())))
    return groups


def _agreed(cells: Sequence[Mapping[str, _WrongAnswer]]) -> Iterable[_WrongAnswer]:
    """Where all of them are wrong in the same way about the same thing."""
    first, *others = cells
    return [w for i, w in first.items() if all((o := other.get(i)) and o.key == w.key for other in others)]


def _wrong(results: Iterable[Result]) -> dict[str, _WrongAnswer]:
    """By what was asked and expected, so that a case that was edited between two runs is not taken for one."""
    by_case: dict[str, list[Result]] = {}
    for result in results:
        if result.reading is not None and result.score is not None:
            by_case.setdefault(f"{result.case.id} {result.case.digest}", []).append(result)
    return {i: told for i, replies in by_case.items() if (told := _mostly(replies)) is not None}


def _mostly(replies: Sequence[Result]) -> _WrongAnswer | None:
    keys = [answer_key(r.reading) for r in replies if r.reading is not None]
    key, times = Counter(keys).most_common(1)[0]
    result = replies[keys.index(key)]
    if key == NO_ANSWER or 2 * times <= len(keys) or result.score is None or result.score.lenient:
        return None
    return _WrongAnswer(result.case, key, result.reading.lenient if result.reading else None)
