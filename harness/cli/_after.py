"""What a run comes to: noise, gates, and the exit code that they make."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.analysis.gates import GateResult
    from harness.core.types import Run
    from harness.project.config import Config
    from harness.runner.engine import Outcome
    from harness.runner.plan import Cell
    from harness.runner.project import Project


def show(found: Config, outcome: Outcome, outputs: Sequence[Path]) -> None:
    """What went wrong, the matrix of what was run, and the reports of it."""
    from harness import report
    from harness.cli._common import complain, console
    from harness.report.terminal import matrix

    for error in dict.fromkeys(map(str, outcome.failures)):
        complain(error)
    for line in why_calls_failed(outcome.runs):
        complain(line, "note")
    if not outcome.runs:
        return
    names = {one.manifest.eval for one in outcome.runs}
    built = report.build(outcome.runs, asked=report.asked_by(found, names))
    for path in outputs:
        report.write(built, path)
    console().print(matrix(built))
    for path in outputs:
        typer.echo(f"report: {path}")


def end(outcome: Outcome, results: Sequence[GateResult]) -> NoReturn:
    """Say how the gates stand and leave with the exit code that this makes."""
    from harness.analysis.gates import GateStatus
    from harness.cli._common import complain
    from harness.report.gate_text import gate_text

    if not outcome.runs and outcome.skipped and not outcome.failures:
        complain("no backend is there to be asked: `harness doctor` says what each one needs")
        raise typer.Exit(2)
    for result in results:
        colour = {GateStatus.PASSED: "green", GateStatus.FAILED: "red", GateStatus.UNDECIDED: "yellow"}[result.status]
        typer.secho(f"{result.status.value:9} ", fg=colour, nl=False)
        typer.echo(gate_text(result))
    if outcome.failures:
        raise typer.Exit(max(failure.exit_code for failure in outcome.failures))
    verdicts = {result.status for result in results if result.required or result.status is GateStatus.FAILED}
    if GateStatus.UNDECIDED in verdicts or any(r.response.error for run in outcome.runs for r in run.results):
        raise typer.Exit(4)
    raise typer.Exit(1 if GateStatus.FAILED in verdicts else 0)


def noise(runs: Sequence[Run]) -> list[str]:
    """For each cell that was run more than once, how many answers changed though nothing had."""
    from harness.analysis.compare.noise import floor

    by_cell: dict[str, list[Run]] = {}
    for run in runs:
        by_cell.setdefault(f"{run.manifest.eval} {run.manifest.cell}", []).append(run)
    found = {name: floor(same) for name, same in by_cell.items()}
    return [
        f"noise: {name}: {c.answers_changed} of {c.n} answers changed between two runs of the same thing"
        for name, c in found.items()
        if c is not None
    ]


def why_calls_failed(runs: Sequence[Run]) -> list[str]:
    """For each run with failed calls, how many and the commonest reason."""
    lines = []
    for run in runs:
        errors = Counter(f"{e.kind}: {e.message}" for r in run.results if (e := r.response.error) is not None)
        if errors:
            (reason, _), *_ = errors.most_common(1)
            title = f"{run.manifest.eval} {run.manifest.cell}"
            lines.append(f"{title}: {errors.total()} of {len(run.results)} calls failed, most of them: {reason}")
    return lines


def judge_against(
    project: Project, reference: str, runs: Sequence[Run], cells: Sequence[Cell], gates: list[GateResult]
) -> list[GateResult]:
    """What the gates say, and how each run that production would use compares with what it is to be judged against."""
    from harness.runner import gate_checks

    own = {(cell.definition.name, cell.name) for cell in cells if cell.is_own}
    mine = [one for one in runs if (one.manifest.eval, one.manifest.cell) in own and one.manifest.limit is None]
    for name in sorted({one.manifest.eval for one in runs if one.manifest.limit is not None}):
        typer.echo(f"{name}: a sample is not judged against {reference}")
    # The gate that a baseline makes by itself would say the same a second time.
    others = [result for result in gates if result.gate != gate_checks.BASELINE or reference != gate_checks.BASELINE]
    return others + [gate_checks.against(project, reference, one) for one in mine]


def judge(project: Project, runs: Sequence[Run], cells: Sequence[Cell]) -> list[GateResult]:
    """The gates of every cell that production would use, unless only a sample of its cases was run."""
    from harness.analysis import gates
    from harness.runner import gate_checks

    results: list[GateResult] = []
    samples: dict[str, None] = {}
    by_key = {(cell.definition.name, cell.name): cell for cell in cells if cell.is_own}
    finished = {(one.manifest.eval, one.manifest.cell) for one in runs}
    for name in dict.fromkeys(cell.definition.name for cell in cells if gates.names(cell.definition.gates)):
        own = {key for key in by_key if key[0] == name}
        if not own:
            typer.echo(f"{name}: no gate is judged, because no backend was run with the variant it is tuned for")
        elif not own & finished:
            which = ", ".join(sorted(cell for _, cell in own))
            typer.echo(f"{name}: no gate is judged, because no run of {which} was finished")
    for one in runs:
        cell = by_key.get((one.manifest.eval, one.manifest.cell))
        names = gate_checks.wanted(project.config, cell) if cell else []
        if cell is None or not names:
            continue
        if cell.limit is not None:
            samples[f"{cell.definition.name}: gates are not judged on a sample ({cell.limit} cases)"] = None
            continue
        told = gate_checks.evidence(project, cell, one, runs)
        results += [gate_checks.judge(name, cell, told) for name in names]
    for line in samples:
        typer.echo(line)
    return results
