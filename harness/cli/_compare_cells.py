"""`harness compare previous latest`: every cell with its own run before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from harness.analysis.compare import Comparison
    from harness.core.types import Run
    from harness.runner.project import Project
    from harness.store.run_refs import CellPair

_WORST = ("REGRESSED", "STAY", "INCOMPARABLE", "INCONCLUSIVE", "OK", "MOVE", "IMPROVED")
"""Verdicts, the worst first."""


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """Options of `harness compare` that hold for each cell."""

    question: Literal["move", "change"]
    margin: float | None
    shared: bool
    strict: bool


def compare_cells(project: Project, pairs: Sequence[CellPair], options: CompareOptions, outputs: Sequence[Path]) -> int:
    """Compare each cell with its run before, print a line for each, write the files, and return the exit code.

    All comparisons share one false alarm a year, as in `harness run --against previous`.
    """
    from harness.cli._common import console
    from harness.core.errors import StoreError

    known = [pair for pair in pairs if pair.base is not None]
    new = [f"{pair.head.eval}/{pair.head.cell}" for pair in pairs if pair.base is None]
    if not known:
        msg = (
            f"no cell has two finished runs over the same cases in {project.store.url}: `harness run` makes one of each"
        )
        raise StoreError(msg)
    compared, runs = _comparisons(project, known, options, keep=any(path.suffix.lower() == ".html" for path in outputs))
    compared.sort(key=lambda c: (_WORST.index(c.verdict.value), c.deciding.paired.delta))
    console().print(_table(compared))
    typer.echo(f"\n{_summary(compared, new)}")
    for path in outputs:
        _write(compared, runs, path)
        typer.echo(f"comparisons: {path}")
    codes = {exit_code(c, strict=options.strict) for c in compared}
    return 1 if 1 in codes else max(codes)


def exit_code(c: Comparison, *, strict: bool) -> int:
    """The exit code of one comparison. `strict`: INCONCLUSIVE is 4."""
    from harness.analysis.compare import Verdict

    if c.verdict in {Verdict.REGRESSED, Verdict.STAY}:
        return 1
    undecided = c.verdict is Verdict.INCOMPARABLE or (
        c.verdict is Verdict.INCONCLUSIVE and (strict or c.base.n_errors + c.head.n_errors > 0)
    )
    return 4 if undecided else 0


def _comparisons(
    project: Project, pairs: Sequence[CellPair], options: CompareOptions, *, keep: bool
) -> tuple[list[Comparison], list[Run]]:
    """The comparison of each pair, and with `keep` all runs; otherwise two runs at a time are in memory."""
    from harness.analysis.compare import compare, outcomes_of
    from harness.analysis.compare.alarms import family_level
    from harness.runner.questions import question

    level = family_level(len(pairs))
    compared, kept = [], []
    for pair in pairs:
        runs = [project.store.with_results(manifest) for manifest in pair if manifest is not None]
        asked = question(project, pair.head.eval, options.question, level=level)
        asked = asked if options.margin is None else replace(asked, margin=options.margin)
        base, head = map(outcomes_of, runs)
        compared.append(compare(base, head, asked, shared=options.shared))
        kept += runs if keep else []
    return compared, kept


def _table(compared: Sequence[Comparison]) -> RenderableType:
    from rich.text import Text

    from harness.core.formatting import percent
    from harness.report import comparison_text
    from harness.report.terminal import COLOURS
    from harness.report.terminal_table import TerminalTable

    table = TerminalTable("verdict", "cell", "base", "head", "difference", names=["cell"], left=["verdict"])
    for c in compared:
        leg, colour = c.deciding, COLOURS[comparison_text.tone(c.verdict)]
        table.add(
            Text(c.verdict.value, style=f"bold {colour}"),
            f"{c.head.eval}/{c.head.cell}",
            percent(leg.base.hits, leg.base.n),
            percent(leg.head.hits, leg.head.n),
            comparison_text.delta_text(leg.paired) if c.n else "",
        )
    return table


def _summary(compared: Sequence[Comparison], new: Sequence[str]) -> str:
    """Changes behind the verdicts that are not good, counts, cells without a run before, and the next command."""
    from harness.core.formatting import plural, visible
    from harness.report.comparison_text import changes_text, tone

    counts = Counter(c.verdict.value for c in compared)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _WORST if counts[verdict])
    worst = compared[0]
    changed = [c for c in compared if c.changed and tone(c.verdict) != "good"]
    lines = [visible(f"changed in {c.head.eval}/{c.head.cell}: {changes_text(c.changed)}") for c in changed]
    days = sorted(c.head.started_at[:10] for c in compared)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    lines.append(f"{plural(len(compared), 'cell')}: {verdicts} (newest runs: {when})")
    if new:
        lines.append(f"{plural(len(new), 'cell')} without a run before: {', '.join(new)}")
    lines.append(f"Details: harness compare {worst.base.run_id} {worst.head.run_id}")
    return "\n".join(lines)


def _write(compared: Sequence[Comparison], runs: Sequence[Run], path: Path) -> None:
    """Write all comparisons; as .html, inside a report of all runs."""
    from harness import report
    from harness.core.files import write
    from harness.report import comparison_formats
    from harness.report.formats.json import dumps

    if path.suffix.lower() == ".html":
        report.write(report.build(runs, analyses=report.Analyses(comparisons=tuple(compared))), path)
    elif path.suffix.lower() == ".json":
        write(dumps([comparison_formats.as_json(c) for c in compared], indent=1) + "\n", path)
    else:
        write("\n".join(map(comparison_formats.markdown, compared)), path)
