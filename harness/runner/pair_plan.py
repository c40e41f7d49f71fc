"""Plan a comparison that runs until it is decided: its cells, a saved run, and the random order of the cases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis import baseline
from harness.analysis.compare import RunOutcomes, outcomes_of
from harness.analysis.stats.sequential import looks
from harness.core.errors import ConfigError
from harness.core.lazy import LazySubset
from harness.core.types import OWN_ORIGINS, Case
from harness.project import datasets, evals
from harness.project.run_options import RunOptions
from harness.runner import execution
from harness.runner.gate_checks import BASELINE
from harness.runner.plan import Cell, RequestPlan
from harness.runner.project import Project
from harness.store.run_query import RunQuery
from harness.store.run_refs import find_run


@dataclass(frozen=True)
class PairPlan:
    """A comparison to run until it is decided: two cells, or one cell and a saved run.

    `order`: the ids of the cases with an expected answer, in random order. `ends`: numbers of cases after which the
    comparison is looked at.
    """

    eval: str
    kind: Literal["move", "change"]
    base: Cell | RunOutcomes
    head: Cell | RunOutcomes
    order: tuple[str, ...]
    ends: tuple[int, ...]

    @property
    def cells(self) -> list[Cell]:
        """The cells that send requests."""
        return [side for side in (self.base, self.head) if isinstance(side, Cell)]

    @property
    def saved(self) -> RunOutcomes | None:
        """The saved run that is used instead of new requests, if there is one."""
        return next((side for side in (self.base, self.head) if isinstance(side, RunOutcomes)), None)


def plan_pair(project: Project, names: Sequence[str], options: RunOptions, against: str | None = None) -> PairPlan:
    """Plan a comparison of one eval. `against`: a saved run to compare with, instead of the reference of `[pair]`.

    A current saved run over all cases is used instead of its cell. Raises `ConfigError` if the options do not select a
    comparison, or if both sides have such a run; `StoreError` without the saved run that `against` names.
    """
    return _change(project, names, against, options) if against else _move(project, names, options)


def _move(project: Project, names: Sequence[str], options: RunOptions) -> PairPlan:
    pair = project.config.pair
    if pair is None or pair.reference == pair.candidate:
        msg = (
            "--until-decided compares the candidate with the reference: name two backends in [pair] of harness.toml, "
            "or compare with a saved run: --until-decided --against baseline"
        )
        raise ConfigError(msg)
    cells = _own_cells(project, names, replace(options, backend=(pair.reference, pair.candidate)))
    reference, candidate = (
        next(cell for cell in cells if cell.backend.name == name) for name in (pair.reference, pair.candidate)
    )
    base, head = (_saved_run(project, cell, options) for cell in (reference, candidate))
    if base is not None and head is not None:
        msg = (
            f"{reference.definition.name}: both models have a run over all cases: compare them with `harness compare "
            f"{base.run_id} {head.run_id}`, or send the requests again with --no-cache"
        )
        raise ConfigError(msg)
    return _plan("move", base or reference, head or candidate)


def _change(project: Project, names: Sequence[str], against: str, options: RunOptions) -> PairPlan:
    cells = _own_cells(project, names, options)
    if len(cells) != 1:
        found = ", ".join(cell.name for cell in cells)
        msg = f"--until-decided --against compares one cell, not {found}: name one --backend"
        raise ConfigError(msg)
    (cell,) = cells
    name = cell.definition.name
    if against == BASELINE:
        saved = baseline.load(project.root, name, cell.name)
    else:
        saved = outcomes_of(find_run(project.store, f"{name}/{cell.name}" if against == "previous" else against, name))
    if saved is None:
        msg = f"there is no baseline of {name} {cell.name}: `harness baseline save` makes one"
        raise ConfigError(msg)
    return _plan("change", saved, cell)


def _own_cells(project: Project, names: Sequence[str], options: RunOptions) -> list[Cell]:
    """The cells of one eval that production would use, over the whole split."""
    definitions = evals.find(project.root, names)
    if len(definitions) != 1:
        found = ", ".join(definition.name for definition in definitions)
        msg = f"--until-decided runs one eval at a time, not {found}: name one"
        raise ConfigError(msg)
    options = replace(options, own_variant_only=True, whole=True, every_backend=bool(options.backend))
    cells = [cell for cell in execution.cells(project, names, options) if cell.is_own]
    for cell in cells:
        if cell.definition.weights or (cell.definition.costs and cell.definition.costs.margin is not None):
            msg = (
                f"{cell.definition.path}: --until-decided supports neither [weights] nor a margin of [costs]: run the "
                "eval without --until-decided"
            )
            raise ConfigError(msg)
        if cell.task.judges_together:
            msg = (
                f"{cell.definition.path}: --until-decided needs a score per case, and task {cell.definition.task} "
                "scores all cases together: run it without --until-decided"
            )
            raise ConfigError(msg)
    return cells


def _plan(kind: Literal["move", "change"], base: Cell | RunOutcomes, head: Cell | RunOutcomes) -> PairPlan:
    cell = head if isinstance(head, Cell) else base
    if not isinstance(cell, Cell):
        raise TypeError("one side must be a cell")  # noqa: EM101, TRY003  a bug, not an error of the user
    shuffled = random_order(cell.cases, cell.split or "")
    judged = [case for case in shuffled if case.expected is not None]
    if not judged:
        msg = f"{cell.dataset.path}: no case has an expected answer, so nothing can be decided"
        raise ConfigError(msg)
    base, head = (_in_order(side, shuffled) if isinstance(side, Cell) else side for side in (base, head))
    return PairPlan(cell.definition.name, kind, base, head, tuple(case.id for case in judged), ends_of(judged))


def random_order(cases: Sequence[Case], split: str) -> Sequence[Case]:
    """Shuffle cases by a hash of the dataset's content, the split and the case: the same order in each run.

    The cases of a cluster stay together. Cases without an expected answer come last.
    """
    seed = f"{datasets.fingerprint(cases)}\n{split}\n"
    keys = [(case.expected is None, _hash(seed + _cluster(case)), _hash(seed + case.id)) for case in cases]
    return LazySubset(cases, sorted(range(len(keys)), key=keys.__getitem__))


def ends_of(cases: Sequence[Case]) -> tuple[int, ...]:
    """Return the numbers of cases at which the run looks, none of which splits a cluster."""
    clusters = [_cluster(case) for case in cases]
    ends: list[int] = []
    for look in looks(len(cases)):
        end = max([look, *ends[-1:]])
        while end < len(cases) and clusters[end] == clusters[end - 1]:
            end += 1
        ends.append(end)
    return tuple(dict.fromkeys(ends))


def _cluster(case: Case) -> str:
    """The cluster of a case. Equal inputs are one cluster, as in comparisons."""
    return case.cluster or json.dumps(dict(case.inputs), sort_keys=True, default=str)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()


def _in_order(cell: Cell, cases: Sequence[Case]) -> Cell:
    requests = RequestPlan(cell.definition, cell.task, cases, cell.dataset.path, cell.variant, cell.decoding)
    return replace(cell, cases=cases, requests=requests, limit=len(cases), until_decided=True)


def _saved_run(project: Project, cell: Cell, options: RunOptions) -> RunOutcomes | None:
    """The newest whole run of a cell, if it has the same requests and model, and no failed call."""
    if options.cache is False:
        return None
    query = RunQuery(
        eval=cell.definition.name,
        cell=cell.name,
        splits=(cell.split or "",),
        finished=True,
        whole=True,
        origins=OWN_ORIGINS,
    )
    manifest = project.store.newest(query)
    if manifest is None:
        return None
    current = {**cell.fingerprint(), "model": cell.backend.model}
    if cell.backend.quantization:
        current["quantization"] = cell.backend.quantization
    if any(manifest.fingerprint.get(part) != value for part, value in current.items()):
        return None
    outcomes = outcomes_of(project.store.with_results(manifest))
    return None if outcomes.n_errors else outcomes
