"""`harness list`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from harness.project.evals import Eval
    from harness.runner.project import Project

HEADING = "Evaluate"
ORDER = 0


def list_() -> None:
    """List the evals: task, cases by split, variants, gates, and the last verdict on the pair. Sends no requests.

    The verdict compares the newest whole runs of the reference and the candidate of [pair]. `last run` is the newest
    run of any cell. Prints an eval that cannot be loaded as an error, after the others.

    Examples:

        harness list

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.cli._common import console, print_error
    from harness.core.errors import HarnessError
    from harness.project import evals
    from harness.report.terminal_table import TerminalTable
    from harness.runner.project import Project

    text = ["eval", "task", "cases", "variants", "gates", "verdict", "last run"]
    table = TerminalTable(*text, names=text)
    errors: list[HarnessError] = []
    with Project.open(read_only=True) as project:
        names = sorted(evals.names(project.root)) or [each.name for each in evals.find(project.root)]
        for name in names:
            try:
                (definition,) = evals.find(project.root, [name])
                row = _row(project, definition)
            except HarnessError as error:
                errors.append(error)
            else:
                table.add(*row)
    if len(table):
        console().print(table)
    for failed in errors:
        print_error(str(failed))
    raise typer.Exit(2 if errors else 0)


def _row(project: Project, definition: Eval) -> tuple[str, ...]:
    from harness.core.formatting import NOTHING, moment
    from harness.project.prompts import PromptLibrary
    from harness.store.run_query import RunQuery

    newest = project.store.newest(RunQuery(eval=definition.name, finished=True))
    prompt = PromptLibrary(project.root / "prompts").load(definition.prompt)
    return (
        definition.name,
        definition.task,
        _cases(project, definition),
        ", ".join(prompt.variants),
        _gates(definition) or NOTHING,
        _verdict(project, definition) or NOTHING,
        moment(newest.finished_at) if newest and newest.finished_at else NOTHING,
    )


def _cases(project: Project, definition: Eval) -> str:
    """Number of cases by split. Data of the hub are not loaded for a list."""
    from harness.project import datasets

    card = datasets.card_of(project.root, definition.dataset)
    if card.source.startswith("hub:"):
        return card.source
    cases = datasets.load(project.root, definition.dataset).cases
    by_split = Counter(case.split for case in cases)
    return ", ".join(f"{split} {n:,}".strip() for split, n in sorted(by_split.items()))


def _gates(definition: Eval) -> str:
    tags = {f"tag.{tag}.{name}": limit for tag, of in definition.gates.tag.items() for name, limit in of.limits.items()}
    limits = {**definition.gates.limits, **tags}
    return ", ".join(
        f"{name} {limit:g}" if isinstance(limit, float) else f"{name} {limit}" for name, limit in limits.items()
    )


def _verdict(project: Project, definition: Eval) -> str:
    """Verdict on the newest whole runs of the pair; empty without both."""
    from harness.analysis.compare import compare, outcomes_of
    from harness.report.cards import verdict_label
    from harness.runner import gate_checks
    from harness.runner.questions import question

    pair = project.config.pair
    runs = {run.manifest.backend: run for run in gate_checks.newest(project, definition)} if pair else {}
    if pair is None or not {pair.reference, pair.candidate} <= runs.keys():
        return ""
    base, head = (outcomes_of(runs[backend]) for backend in (pair.reference, pair.candidate))
    c = compare(base, head, question(project, definition.name, "move"))
    return verdict_label(c)
