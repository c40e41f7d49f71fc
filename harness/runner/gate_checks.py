"""What the gates of a cell are judged by: its run, the reference's run, the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.analysis import baseline, gates
from harness.analysis.compare import Comparison, ComparisonQuestion, RunOutcomes, compare, outcomes_of
from harness.analysis.compare import Verdict as Compared
from harness.analysis.compare.verdicts import DEFAULT_MARGIN, UNDECIDED
from harness.analysis.gates import Evidence, GateResult, GateStatus
from harness.analysis.metrics.summary import summarize
from harness.core.errors import ConfigError
from harness.core.types import Manifest, Run
from harness.project.config import Config
from harness.project.evals import Eval
from harness.project.pricing import price_of
from harness.report import comparison_text
from harness.runner.plan import Cell
from harness.runner.project import Project
from harness.store.run_refs import find_run

BASELINE = "baseline"
"""The gate of a cell that has a baseline, where the eval sets none: nothing is shown to be lost."""


BY_BASELINE = frozenset({BASELINE, "max_regression", "max_flips"})
"""The gates that compare with the baseline."""


def wanted(config: Config, cell: Cell) -> list[str]:
    """The gates of a cell: its eval's, `margin` for the candidate only; `baseline` if one is saved and none is set."""
    names = gates.names(cell.definition.gates)
    if "margin" in names and (config.pair is None or cell.backend.name != config.pair.candidate):
        names.remove("margin")
    has_own = BY_BASELINE & set(names)
    has_file = baseline.path_of(config.root, cell.definition.name, cell.name).is_file()
    return names if has_own or not has_file else [*names, BASELINE]


def evidence(project: Project, cell: Cell, run: Run, others: Sequence[Run] = ()) -> Evidence:
    """Everything that the gates of `cell` are judged by. `others`: runs of this session, before those of the store."""
    own, limits = outcomes_of(run), cell.definition.gates
    return Evidence(
        cell=f"{cell.definition.name} {cell.name}",
        summary=summarize(run.results),
        results=run.results,
        labels=run.manifest.labels,
        price=price_of(project.config, cell.backend),
        reference=_to_reference(project, cell, own, others) if limits.margin else None,
        baseline=to_baseline(project.root, own, limits.max_regression),
    )


def judge(gate: str, cell: Cell, told: Evidence) -> GateResult:
    """Judge one gate of one cell."""
    if gate != BASELINE:
        return gates.judge(gate, cell.definition.gates, told)
    implied = cell.definition.gates.model_copy(update={"max_regression": DEFAULT_MARGIN})
    result = gates.judge("max_regression", implied, told)
    said = result.message.replace(f" (max_regression = {DEFAULT_MARGIN:g})", "")  # the eval has said no such thing
    return GateResult(BASELINE, result.cell, result.verdict, said, asked=False)


def newest(project: Project, definition: Eval, *, every: bool = False) -> list[Run]:
    """The newest whole run of each cell that production would use; `every`: of each variant on each backend.

    Whole: finished, over all cases of the eval's own split. Backends that harness.toml no longer has are left out.
    """
    cells: dict[str, Manifest] = {}
    backends = project.config.backends
    for m in project.store.manifests(definition.name):
        whole = m.finished_at is not None and m.limit is None and m.split in {"", definition.split}
        usual = m.backend in backends and m.decoding == definition.decoding[0]
        if whole and usual and (every or m.variant == backends[m.backend].variant):
            cells.setdefault(m.cell, m)
    return [Run(m, tuple(project.store.results(m.run_id))) for _, m in sorted(cells.items())]


def need_baselines(root: Path, cells: Sequence[Cell]) -> None:
    """Raise `ConfigError` before anything is asked, where no cell has a baseline to be judged by.

    One without is not: its backend may not be there, which shows only when it is asked.
    """
    if not any(baseline.load(root, cell.definition.name, cell.name) for cell in cells):
        names = ", ".join(dict.fromkeys(f"{cell.definition.name} {cell.name}" for cell in cells))
        msg = f"there is no baseline of {names}: `harness baseline save` makes one of each whole run"
        raise ConfigError(msg)


def against(project: Project, reference: str, run: Run) -> GateResult:
    """A run against `baseline`, the `previous` run of its cell, or any run; raises where there is no such thing."""
    own = outcomes_of(run)
    title = f"{own.eval} {own.cell}"
    if reference == BASELINE:
        base = baseline.load(project.root, own.eval, own.cell)
    else:
        wanted_run = f"{own.eval}/{own.cell}~1" if reference == "previous" else reference
        base = outcomes_of(find_run(project.store, wanted_run, own.eval), reference)
    if base is None:
        said = f"{title}: has no baseline: `harness baseline save {own.eval}` makes one"
        return GateResult("against", title, GateStatus.UNDECIDED, said)
    c = compare(base, own, ComparisonQuestion("change", DEFAULT_MARGIN))
    verdict = GateStatus.UNDECIDED if c.verdict in UNDECIDED else GateStatus.PASSED
    verdict = GateStatus.FAILED if c.verdict is Compared.REGRESSED else verdict
    said = f"{title}: against {reference}: {c.verdict.value}, {c.reason}{gates.changed(c)}{gates.lost(c)}"
    proven = c.verdict is not Compared.INCONCLUSIVE or bool(c.base.n_errors + c.head.n_errors)
    return GateResult("against", title, verdict, said, asked=proven)


def to_baseline(root: Path, own: RunOutcomes, margin: float | None) -> Comparison | None:
    """A run against the baseline of its cell, if there is one."""
    saved = baseline.load(root, own.eval, own.cell)
    return None if saved is None else compare(saved, own, ComparisonQuestion("change", margin or DEFAULT_MARGIN))


def renew(root: Path, own: RunOutcomes, kept: Mapping[str, str] | None = None) -> str:
    """Save a run as the baseline of its cell; returns the file's name and what is not as it was.

    `kept`: replies to be kept, by case id. Raises `ConfigError` for a run that is none to go by.
    """
    baseline.check(own)
    try:
        before = to_baseline(root, own, None)
        what = "new" if before is None else _renewed(before)
    except ConfigError:
        what = "in the place of a file that could not be read"
    return f"{baseline.save(root, own, kept).name}: {what}"


def _renewed(c: Comparison) -> str:
    if c.base.run_id == c.head.run_id:
        return f"the same run as before, {c.head.run_id}"
    others = f"{c.reason}; " if c.verdict is Compared.INCOMPARABLE else ""
    return f"{others}flips: {comparison_text.flips_text(c)}; changed: {comparison_text.changed_text(c)}"


def _to_reference(project: Project, cell: Cell, own: RunOutcomes, others: Sequence[Run]) -> Comparison | None:
    reference = _reference_run(project, cell, others)
    asked = ComparisonQuestion("move", cell.definition.gates.margin or DEFAULT_MARGIN)
    return None if reference is None else compare(outcomes_of(reference), own, asked)


def _reference_run(project: Project, cell: Cell, others: Sequence[Run]) -> Run | None:
    """The newest whole run of the reference as production uses it, over the same eval and split."""
    pair = project.config.pair
    if pair is None:
        return None
    backend = project.config.backends[pair.reference]

    def is_it(m: Manifest) -> bool:
        same = (m.eval, m.split, m.limit) == (cell.definition.name, cell.split or "", cell.limit)
        as_used = (m.backend, m.variant, m.decoding) == (backend.name, backend.variant, cell.definition.decoding[0])
        return same and as_used and m.finished_at is not None

    for run in others:
        if is_it(run.manifest):
            return run
    newest = next((m for m in project.store.manifests(cell.definition.name) if is_it(m)), None)
    return None if newest is None else Run(newest, tuple(project.store.results(newest.run_id)))
