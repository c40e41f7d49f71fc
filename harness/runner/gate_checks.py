"""Judge the gates of a cell by its run, the run of the reference, and the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from harness.analysis import baseline, dataset_power, gates
from harness.analysis.compare import Comparison, ComparisonQuestion, RunOutcomes, compare, outcomes_of
from harness.analysis.compare import Verdict as Compared
from harness.analysis.compare.alarms import family_level, merged
from harness.analysis.compare.verdicts import DEFAULT_MARGIN, SIGNIFICANT
from harness.analysis.dataset_power import UndecidableGate
from harness.analysis.gates import Evidence, GateReason, GateResult
from harness.analysis.metrics.summary import summarize
from harness.core.errors import ConfigError
from harness.core.types import Case, Manifest, Run, RunOrigin
from harness.project.config import BackendConfig, Config
from harness.project.evals import Eval
from harness.project.pricing import price_of
from harness.report import comparison_text, verdict_text
from harness.runner.project import Project
from harness.runner.questions import definition_of, question
from harness.store.run_query import RunQuery
from harness.store.run_refs import find_run

BASELINE = "baseline"
"""The implied gate of a cell with a baseline: no proven loss. An eval's own baseline gate replaces it."""


BY_BASELINE = frozenset({BASELINE}) | gates.comparing_with("baseline")
"""The gates that compare with the baseline."""


class JudgedCell(Protocol):
    """What gates need of a cell, planned or saved."""

    @property
    def definition(self) -> Eval:
        """The eval with the gates."""
        ...

    @property
    def backend(self) -> BackendConfig:
        """The backend of the run."""
        ...

    @property
    def name(self) -> str:
        """`variant@backend`."""
        ...

    @property
    def split(self) -> str | None:
        """The split of the run."""
        ...

    @property
    def cases(self) -> Sequence[Case]:
        """The cases of the run."""
        ...

    @property
    def limit(self) -> int | None:
        """The most cases of the run; `None` for a whole split."""
        ...


@dataclass(frozen=True, slots=True)
class RunCell:
    """The cell of a saved run."""

    definition: Eval
    backend: BackendConfig
    name: str
    split: str | None
    cases: Sequence[Case]
    limit: int | None = None


def wanted(config: Config, cell: JudgedCell) -> list[str]:
    """The gates of a cell: the gates of its eval, `margin` only for the candidate, and the implied `baseline`."""
    names = gates.names(cell.definition.gates)
    if config.pair is None or cell.backend.name != config.pair.candidate:
        by_reference = gates.comparing_with("reference")
        names = [name for name in names if name not in by_reference]
    has_own = BY_BASELINE & set(names)
    has_file = baseline.path_of(config.root, cell.definition.name, cell.name).is_file()
    return names if has_own or not has_file else [*names, BASELINE]


def n_baselines(config: Config, cells: Iterable[JudgedCell]) -> int:
    """Count the cells that are compared with a baseline, which share one false alarm a year."""
    return sum(bool(BY_BASELINE & set(wanted(config, cell))) for cell in cells)


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """How cells are compared with their baselines.

    `level`: `family_level` of all comparisons of this session. `repeats`: further runs of the cell, merged with it.
    """

    level: float = SIGNIFICANT
    repeats: tuple[Run, ...] = ()


ALONE = BaselineRule()
"""One comparison, of one run."""


def evidence(
    project: Project, cell: JudgedCell, run: Run, others: Sequence[Run] = (), *, rule: BaselineRule = ALONE
) -> Evidence:
    """Evidence for the gates of `cell`. `others`: runs of this session, preferred to saved runs."""
    own, limits = outcomes_of(run), cell.definition.gates
    by_reference = gates.comparing_with("reference") & limits.limits.keys()
    return Evidence(
        cell=f"{cell.definition.name} {cell.name}",
        summary=summarize(run.results),
        results=run.results,
        labels=run.manifest.labels,
        price=price_of(project.config, cell.backend),
        reference=_to_reference(project, cell, own, others) if by_reference else None,
        baseline=to_baseline(
            project.root,
            merged([own, *map(outcomes_of, rule.repeats)]),
            question(project, own.eval, "change", level=rule.level),
        ),
        undecidable=undecidable(cell),
    )


def undecidable(cell: JudgedCell) -> tuple[UndecidableGate, ...]:
    """The gates that the judged cases of `cell` are too few for."""
    judged = (case for case in cell.cases if case.expected is not None)
    return tuple(dataset_power.undecidable(cell.definition.gates, judged))


def judge(gate: str, cell: JudgedCell, evidence: Evidence) -> GateResult:
    """Judge one gate of one cell."""
    if gate != BASELINE:
        return gates.judge(gate, cell.definition.gates, evidence)
    implied = cell.definition.gates.model_copy(update={"max_regression": DEFAULT_MARGIN})
    result = gates.judge("max_regression", implied, evidence)
    return GateResult(BASELINE, result.cell, result.outcome, required=False)


def of_saved(project: Project, runs: Sequence[Run]) -> list[GateResult]:
    """Judge saved runs of production's cells by the gates of today's evals.

    Samples, and evals or backends that are gone, have no gates.
    """
    config = project.config
    pairs = []
    for run in runs:
        manifest = run.manifest
        backend = config.backends.get(manifest.backend)
        definition = definition_of(config.root, manifest.eval)
        if backend is None or definition is None or manifest.limit is not None or manifest.finished_at is None:
            continue
        if (manifest.variant, manifest.decoding) == (backend.variant, definition.decoding[0]):
            cases = tuple({result.case.id: result.case for result in run.results}.values())
            pairs.append((run, RunCell(definition, backend, manifest.cell, manifest.split or None, cases)))
    rule = BaselineRule(family_level(n_baselines(config, [cell for _, cell in pairs])))
    results = []
    for run, cell in pairs:
        names = wanted(config, cell)
        if not names:
            continue
        try:
            of_run = evidence(project, cell, run, runs, rule=rule)
        except ConfigError:  # a damaged baseline; `harness run` and pytest name it
            continue
        results += [judge(name, cell, of_run) for name in names]
    return results


def newest(project: Project, definition: Eval, *, every: bool = False) -> list[Run]:
    """The newest whole run of each cell that production would use; `every`: of each variant on each backend.

    A whole run is finished and covers all cases of the eval's split. Backends missing from harness.toml are left out.
    """
    query = RunQuery(
        eval=definition.name,
        backends=tuple(project.config.backends),
        decoding=definition.decoding[0],
        splits=("", definition.split or ""),
        finished=True,
        whole=True,
        origins=frozenset(RunOrigin) - {RunOrigin.JUDGED},
        newest_per_cell=True,
    )
    manifests = [
        m for m in project.store.manifests(query) if every or m.variant == project.config.backends[m.backend].variant
    ]
    return [project.store.with_results(m) for m in sorted(manifests, key=lambda m: m.cell)]


def need_baselines(root: Path, cells: Sequence[JudgedCell]) -> None:
    """Raise `ConfigError` if no cell has a baseline.

    A single missing baseline is no error: its backend may be unavailable, which only the run shows.
    """
    if not any(baseline.load(root, cell.definition.name, cell.name) for cell in cells):
        names = ", ".join(dict.fromkeys(f"{cell.definition.name} {cell.name}" for cell in cells))
        msg = f"there is no baseline of {names}: `harness baseline save` makes a baseline of each whole run"
        raise ConfigError(msg)


def against(project: Project, reference: str, run: Run, *, level: float = SIGNIFICANT) -> GateResult:
    """Compare a run with `baseline`, the `previous` run of its cell, or any run; raises `StoreError` without one.

    `level`: of the test for a loss; `family_level` if several runs are compared.
    """
    own = outcomes_of(run)
    title = f"{own.eval} {own.cell}"
    if reference == BASELINE:
        base = baseline.load(project.root, own.eval, own.cell)
    else:
        wanted_run = f"{own.eval}/{own.cell}~1" if reference == "previous" else reference
        base = outcomes_of(find_run(project.store, wanted_run, own.eval), reference)
    if base is None:
        return GateResult("against", title, gates.undecided(GateReason.NO_BASELINE))
    c = compare(base, own, replace(question(project, own.eval, "change", level=level), margin=DEFAULT_MARGIN))
    proven = c.verdict is not Compared.INCONCLUSIVE or bool(c.base.n_errors + c.head.n_errors)
    return GateResult("against", title, gates.compared(DEFAULT_MARGIN, c, "interval"), required=proven)


def to_baseline(root: Path, own: RunOutcomes, asked: ComparisonQuestion) -> Comparison | None:
    """Compare a run with the baseline of its cell; `None` without a baseline."""
    saved = baseline.load(root, own.eval, own.cell)
    return None if saved is None else compare(saved, own, asked)


def renew(root: Path, own: RunOutcomes, replies: Mapping[str, str] | None = None) -> str:
    """Save a run as the baseline of its cell; returns the file's name and the changes.

    `replies`: texts to save, by case id. Raises `ConfigError` if the run cannot be a baseline.
    """
    baseline.check(own)
    try:
        before = to_baseline(root, own, ComparisonQuestion("change"))
        change = "new" if before is None else _renewed(before)
    except ConfigError:
        change = "replaces a file that could not be read"
    return f"{baseline.save(root, own, replies).name}: {change}"


def _renewed(c: Comparison) -> str:
    if c.base.run_id == c.head.run_id:
        return f"the same run as before, {c.head.run_id}"
    others = f"{verdict_text.reason_text(c)}; " if c.verdict is Compared.INCOMPARABLE else ""
    return f"{others}flips: {comparison_text.flips_text(c)}; changed: {comparison_text.changed_text(c)}"


def _to_reference(project: Project, cell: JudgedCell, own: RunOutcomes, others: Sequence[Run]) -> Comparison | None:
    reference = _reference_run(project, cell, others)
    if reference is None:
        return None
    return compare(outcomes_of(reference), own, question(project, cell.definition.name, "move"))


def _reference_run(project: Project, cell: JudgedCell, others: Sequence[Run]) -> Run | None:
    """The newest finished run of the reference's own variant, over the same eval, split and limit."""
    pair = project.config.pair
    if pair is None:
        return None
    backend = project.config.backends[pair.reference]

    def matches(m: Manifest) -> bool:
        same = (m.eval, m.split, m.limit) == (cell.definition.name, cell.split or "", cell.limit)
        as_used = (m.backend, m.variant, m.decoding) == (backend.name, backend.variant, cell.definition.decoding[0])
        return same and as_used and m.finished_at is not None

    for run in others:
        if matches(run.manifest):
            return run
    newest = project.store.newest(
        RunQuery(
            eval=cell.definition.name,
            backends=(backend.name,),
            variant=backend.variant,
            decoding=cell.definition.decoding[0],
            splits=(cell.split or "",),
            finished=True,
            whole=cell.limit is None,
            case_limit=cell.limit,
            origins=frozenset(RunOrigin) - {RunOrigin.JUDGED},
        )
    )
    return None if newest is None else project.store.with_results(newest)
