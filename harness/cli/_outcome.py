"""The end of a run: failures, the matrix, reports, gates, and the exit code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import typer

LATEST = "reports/latest.html"
"""The report of the newest `harness run`, in the folder of the project."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.analysis.gates import GateResult
    from harness.core.types import Run
    from harness.runner.engine import Outcome
    from harness.runner.plan import Cell
    from harness.runner.project import Project


def print_outcome(
    project: Project,
    outcome: Outcome,
    outputs: Sequence[Path],
    gates: Sequence[GateResult] = (),
    *,
    verdicts: bool = True,
    latest: bool = False,
) -> None:
    """Print failures, the matrix, gates and verdicts of the runs, and write the reports.

    `verdicts`: print those of the report, too. `latest`: write reports/latest.html as well.
    """
    from harness import report
    from harness.cli._common import console, print_error, print_note
    from harness.core.errors import ConfigError
    from harness.report.terminal import matrix
    from harness.runner import questions, rendered_prompts

    for error in dict.fromkeys(map(str, outcome.failures)):
        print_error(error)
    for line in failure_lines(outcome.runs):
        print_note(line)
    if not outcome.runs:
        return
    names = {run.manifest.eval for run in outcome.runs}
    analyses = questions.analyses(project, names)
    prompts = rendered_prompts.of_runs(project, outcome.runs)
    built = report.build(outcome.runs, analyses=analyses, gates=gates, prompts=prompts)
    for path in outputs:
        report.write(built, path)
    shown = built if verdicts else report.build(outcome.runs, analyses=report.Analyses(prices=analyses.prices))
    console().print(matrix(shown))
    if latest:
        path = project.root / LATEST
        try:
            report.write(built, path)
        except ConfigError as error:
            print_note(str(error))
        else:
            outputs = [*outputs, path]
    for path in outputs:
        typer.echo(f"report: {path}")


def print_undecidable(cells: Sequence[Cell]) -> None:
    """Print a note, before any request is sent, for each gate that its golden set is too small for."""
    from harness.cli._common import print_note
    from harness.core.toml import at
    from harness.report.gate_text import undecidable_text
    from harness.runner import gate_checks

    own = {cell.definition.path: cell for cell in cells if cell.is_own and cell.limit is None}
    for path, cell in own.items():
        for gate in gate_checks.undecidable(cell):
            print_note(f"{at(path, gate.key)}{undecidable_text(gate)}")


def exit_with(outcome: Outcome, results: Sequence[GateResult]) -> NoReturn:
    """Exit with the code that follows from the failures and the gates."""
    from harness.analysis.gates import GateStatus
    from harness.cli._common import print_error

    if not outcome.runs and outcome.skipped and not outcome.failures:
        print_error("no backend is available: check them with `harness doctor`")
        raise typer.Exit(2)
    if outcome.failures:
        raise typer.Exit(max(failure.exit_code for failure in outcome.failures))
    verdicts = {result.status for result in results if result.required or result.status is GateStatus.FAILED}
    if GateStatus.UNDECIDED in verdicts or any(r.response.error for run in outcome.runs for r in run.results):
        raise typer.Exit(4)
    raise typer.Exit(1 if GateStatus.FAILED in verdicts else 0)


def open_page(path: Path) -> None:
    """Open a report in the user's browser; print a note with its path if no browser starts."""
    import webbrowser

    from harness.cli._common import print_note

    if path.is_file() and not webbrowser.open(path.resolve().as_uri()):
        print_note(f"no browser could be started: open {path}")


def noise_lines(runs: Sequence[Run]) -> list[str]:
    """Number of answers that changed by chance, for each cell with several runs."""
    from harness.analysis.compare.noise import floor
    from harness.core.formatting import plural

    by_cell: dict[str, list[Run]] = {}
    for run in runs:
        by_cell.setdefault(f"{run.manifest.eval} {run.manifest.cell}", []).append(run)
    comparisons = {name: floor(same) for name, same in by_cell.items()}
    return [
        f"noise: {name}: {c.answers_changed} of {plural(c.n, 'answer')} changed between two identical runs"
        for name, c in comparisons.items()
        if c is not None
    ]


def failure_lines(runs: Sequence[Run]) -> list[str]:
    """Number of failed calls and the most frequent reason, for each run with failed calls."""
    lines = []
    for run in runs:
        errors = Counter(f"{e.kind}: {e.message}" for r in run.results if (e := r.response.error) is not None)
        if errors:
            (reason, _), *_ = errors.most_common(1)
            title = f"{run.manifest.eval} {run.manifest.cell}"
            lines.append(f"{title}: {errors.total()} of {len(run.results)} calls failed, most often: {reason}")
    return lines


def compare_with(
    project: Project, reference: str, runs: Sequence[Run], cells: Sequence[Cell], gates: list[GateResult]
) -> list[GateResult]:
    """Gate results, and a comparison of each backend's own run with the reference (`--against`)."""
    from harness.analysis.compare.alarms import family_level
    from harness.runner import gate_checks

    own = {(cell.definition.name, cell.name) for cell in cells if cell.is_own}
    own_runs = [run for run in runs if (run.manifest.eval, run.manifest.cell) in own and run.manifest.limit is None]
    for name in sorted({run.manifest.eval for run in runs if run.manifest.limit is not None}):
        typer.echo(f"{name}: a sample of cases is not compared with {reference}")
    # With --against baseline, the automatic baseline gate would repeat the same comparison.
    others = [result for result in gates if result.gate != gate_checks.BASELINE or reference != gate_checks.BASELINE]
    level = family_level(len(own_runs))
    return others + [gate_checks.against(project, reference, run, level=level) for run in own_runs]


def judge_gates(project: Project, runs: Sequence[Run], cells: Sequence[Cell]) -> list[GateResult]:
    """Gate results of each backend's own variant. Runs of a sample of cases are not judged."""
    from harness.analysis import gates
    from harness.analysis.compare.alarms import family_level
    from harness.core.formatting import plural
    from harness.runner import gate_checks

    results: list[GateResult] = []
    samples: dict[str, None] = {}
    by_key = {(cell.definition.name, cell.name): cell for cell in cells if cell.is_own}
    finished = {(run.manifest.eval, run.manifest.cell) for run in runs}
    for name in dict.fromkeys(cell.definition.name for cell in cells if gates.names(cell.definition.gates)):
        own = {key for key in by_key if key[0] == name}
        if not own:
            typer.echo(f"{name}: gates are not judged, because no backend ran its own variant")
        elif not own & finished:
            unfinished = ", ".join(sorted(cell for _, cell in own))
            typer.echo(f"{name}: gates are not judged, because no run of {unfinished} finished")
    rule = gate_checks.BaselineRule(family_level(gate_checks.n_baselines(project.config, by_key.values())))
    for run in runs:
        cell = by_key.get((run.manifest.eval, run.manifest.cell))
        names = gate_checks.wanted(project.config, cell) if cell else []
        if cell is None or not names:
            continue
        if cell.limit is not None:
            samples[f"{cell.definition.name}: gates are not judged on a sample ({plural(cell.limit, 'case')})"] = None
            continue
        evidence = gate_checks.evidence(project, cell, run, runs, rule=rule)
        results += [gate_checks.judge(name, cell, evidence) for name in names]
    for line in samples:
        typer.echo(line)
    return results
