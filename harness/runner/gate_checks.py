"""What the gates of a cell are judged by: its run, the reference's run, the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.analysis import baseline, gates
from harness.analysis.compare import Comparison, ComparisonQuestion, RunOutcomes, compare, outcomes_of
from harness.analysis.compare import Verdict as Compared
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.gates import Evidence, GateReason, GateResult
from harness.analysis.metrics.summary import summarize
from harness.core.errors import ConfigError
from harness.core.types import Manifest, Run, RunOrigin
from harness.project.config import Config
from harness.project.evals import Eval
from harness.project.pricing import price_of
from harness.report import comparison_text
from harness.runner.plan import Cell
from harness.store.run_query import RunQuery
from harness.store.run_refs import find_run
from harness.store.runs import Store

BASELINE = "baseline"
"""The gate of a cell that has a baseline, where the eval sets none: nothing is shown to be lost."""


BY_BASELINE = frozenset({BASELINE}) | gates.comparing_with("baseline")
"""The gates that compare with the baseline."""


def wanted(found: Config, cell: Cell) -> list[str]:
    """The gates of a cell: its eval's, `margin` for the candidate only; `baseline` if one is saved and none is set."""
    names = gates.names(cell.definition.gates)
    if found.pair is None or cell.backend.name != found.pair.candidate:
        by_reference = gates.comparing_with("reference")
        names = [name for name in names if name not in by_reference]
    has_own = BY_BASELINE & set(names)
    has_file = baseline.path_of(found.root, cell.definition.name, cell.name).is_file()
    return names if has_own or not has_file else [*names, BASELINE]


def evidence(found: Config, store: Store, cell: Cell, run: Run, others: Sequence[Run] = ()) -> Evidence:
    """Everything that the gates of `cell` are judged by. `others`: runs of this session, before those of the store."""
    own, limits = outcomes_of(run), cell.definition.gates
    by_reference = gates.comparing_with("reference") & limits.limits.keys()
    return Evidence(
        cell=f"{cell.definition.name} {cell.name}",
        summary=summarize(run.results),
        results=run.results,
        labels=run.manifest.labels,
        price=price_of(found, cell.backend),
        reference=_to_reference(found, store, cell, own, others) if by_reference else None,
        baseline=to_baseline(found.root, own, limits.max_regression),
    )


def judge(gate: str, cell: Cell, told: Evidence) -> GateResult:
    """Judge one gate of one cell."""
    if gate != BASELINE:
        return gates.judge(gate, cell.definition.gates, told)
    implied = cell.definition.gates.model_copy(update={"max_regression": DEFAULT_MARGIN})
    result = gates.judge("max_regression", implied, told)
    return GateResult(BASELINE, result.cell, result.outcome, required=False)


def newest(found: Config, store: Store, definition: Eval, *, every: bool = False) -> list[Run]:
    """The newest whole run of each cell that production would use; `every`: of each variant on each backend.

    Whole: finished, over all cases of the eval's own split. Backends that harness.toml no longer has are left out.
    """
    query = RunQuery(
        eval=definition.name,
        backends=tuple(found.backends),
        decoding=definition.decoding[0],
        splits=("", definition.split or ""),
        finished=True,
        whole=True,
        origins=frozenset(RunOrigin) - {RunOrigin.JUDGED},
        newest_per_cell=True,
    )
    manifests = [m for m in store.manifests(query) if every or m.variant == found.backends[m.backend].variant]
    return [store.with_results(m) for m in sorted(manifests, key=lambda m: m.cell)]


def need_baselines(found: Config, cells: Sequence[Cell]) -> None:
    """Raise `ConfigError` before anything is asked, where no cell has a baseline to be judged by.

    One without is not: its backend may not be there, which shows only when it is asked.
    """
    if not any(baseline.load(found.root, cell.definition.name, cell.name) for cell in cells):
        names = ", ".join(dict.fromkeys(f"{cell.definition.name} {cell.name}" for cell in cells))
        msg = f"there is no baseline of {names}: `harness baseline save` makes one of each whole run"
        raise ConfigError(msg)


def against(found: Config, store: Store, reference: str, run: Run) -> GateResult:
    """A run against `baseline`, the `previous` run of its cell, or any run; raises where there is no such thing."""
    own = outcomes_of(run)
    title = f"{own.eval} {own.cell}"
    if reference == BASELINE:
        base = baseline.load(found.root, own.eval, own.cell)
    else:
        wanted_run = f"{own.eval}/{own.cell}~1" if reference == "previous" else reference
        base = outcomes_of(find_run(store, wanted_run, own.eval), reference)
    if base is None:
        return GateResult("against", title, gates.undecided(GateReason.NO_BASELINE))
    c = compare(base, own, ComparisonQuestion("change", DEFAULT_MARGIN))
    proven = c.verdict is not Compared.INCONCLUSIVE or bool(c.base.n_errors + c.head.n_errors)
    return GateResult("against", title, gates.compared(DEFAULT_MARGIN, c, "interval"), required=proven)


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
    others = f"{comparison_text.reason_text(c)}; " if c.verdict is Compared.INCOMPARABLE else ""
    return f"{others}flips: {comparison_text.flips_text(c)}; changed: {comparison_text.changed_text(c)}"


def _to_reference(
    found: Config, store: Store, cell: Cell, own: RunOutcomes, others: Sequence[Run]
) -> Comparison | None:
    reference = _reference_run(found, store, cell, others)
    asked = ComparisonQuestion("move", cell.definition.gates.margin or DEFAULT_MARGIN)
    return None if reference is None else compare(outcomes_of(reference), own, asked)


def _reference_run(found: Config, store: Store, cell: Cell, others: Sequence[Run]) -> Run | None:
    """The newest whole run of the reference as production uses it, over the same eval and split."""
    if found.pair is None:
        return None
    backend = found.backends[found.pair.reference]

    def is_it(m: Manifest) -> bool:
        same = (m.eval, m.split, m.limit) == (cell.definition.name, cell.split or "", cell.limit)
        as_used = (m.backend, m.variant, m.decoding) == (backend.name, backend.variant, cell.definition.decoding[0])
        return same and as_used and m.finished_at is not None

    for run in others:
        if is_it(run.manifest):
            return run
    newest = store.newest(
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
    return None if newest is None else store.with_results(newest)
