"""`compare`: two saved runs beside each other, with a verdict."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from harness.analysis.compare import Comparison
    from harness.core.types import Run

ENDINGS = (".html", ".json", ".md")
SHOWN_FLIPS = 8


class QuestionKind(StrEnum):
    """What `--question` takes."""

    value: Literal["move", "change"]
    MOVE = "move"
    CHANGE = "change"


def add_to(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(compare)


def compare(
    base: Annotated[str, typer.Argument(help="A run: its id, EVAL/CELL, CELL~1 (the one before), latest, previous.")],
    head: Annotated[str, typer.Argument(help="The run to judge, named in the same way.")],
    margin: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="How much strict accuracy may be lost. Default: the eval's, else 0.03."),
    ] = None,
    question: Annotated[
        QuestionKind | None,
        typer.Option(
            help="move: may the task go from base to head? change: is head still as good? Default: see above."
        ),
    ] = None,
    shared: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--shared", help="Compare the cases that both runs have, where they are not the same.")
    ] = False,
    strict: Annotated[  # noqa: FBT002
        bool, typer.Option("--strict", help="Exit with 4 where nothing is proven either way.")
    ] = False,
    eval_name: Annotated[str | None, typer.Option("--eval", help="Look for cells in this eval only.")] = None,
    noise: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two runs of one and the same thing: how many cases change though nothing did."),
    ] = None,
    output: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="Write the comparison: .html .json .md; repeatable.")
    ] = None,
) -> None:
    """Compare two saved runs case by case: a verdict with its interval, flips, gaps, and what has changed.

    Asked is `move` where the runs are of the pair's reference and candidate, else `change`. Asks no model.

    Examples:

        harness compare previous latest
        harness compare gpt@gpt-4o local@mistral-q4 --margin 0.03
        harness compare triage/local@q8 triage/local@q4 -o q4.json -o q4.html

    Exit codes: 0 good or nothing proven, 1 REGRESSED or STAY, 2 usage, 4 INCOMPARABLE, errors that could overturn the
    verdict, or INCONCLUSIVE with --strict.
    """
    from harness import api
    from harness.analysis.compare import compare as compare_sides
    from harness.analysis.compare import outcomes_of
    from harness.cli._common import console
    from harness.report.write import check_ending
    from harness.runner.project import Project
    from harness.store.run_refs import find_run

    for path in output or ():
        check_ending(path, ENDINGS)
    with Project.open(read_only=True) as project:
        runs = api.find_pair(project.store, base, head, eval_name)
        sides = [outcomes_of(run) for run in runs]
        same = [outcomes_of(find_run(project.store, name, eval_name)) for name in noise or ()]
        asked = api.question_of(project.config, sides[0], sides[1], question.value if question else None, margin)
    found = compare_sides(sides[0], sides[1], asked, shared=shared)
    floor = compare_sides(same[0], same[1], asked, shared=shared) if same else None
    console().print(_shown(found, floor))
    for path in output or ():
        _write(found, floor, runs, path)
        typer.echo(f"comparison: {path}")
    raise typer.Exit(_exit_code(found, strict=strict))


def _shown(c: Comparison, floor: Comparison | None) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from harness.core.formatting import visible
    from harness.report import comparison_text
    from harness.report.rate_text import rate_text
    from harness.report.terminal import COLOURS
    from harness.report.terminal_table import TerminalTable

    colour = COLOURS[comparison_text.standing(c.verdict)]
    rates = TerminalTable("", "base", "head", "difference", "p", names=[""])
    for name, d in comparison_text.measured(c):
        rates.add(
            name,
            rate_text(d.base),
            rate_text(d.head),
            comparison_text.delta_text(d.paired),
            comparison_text.p_text(d.paired.p),
        )
    facts = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(c, floor):
        facts.add_row(name, Text(visible(text)))
    return Group(
        Text(visible(f"{c.head.eval}  {comparison_text.title(c)}"), style="bold"),
        Text(comparison_text.question(c), style="dim"),
        Text.assemble((c.verdict.value, f"bold {colour}"), f"  {visible(comparison_text.reason_text(c))}"),
        Text(""),
        rates,
        Text(""),
        facts,
    )


def _facts(c: Comparison, floor: Comparison | None) -> list[tuple[str, str]]:
    """What else is worth a line."""
    from harness.report import comparison_text

    told = [
        ("cases", f"{c.n:,} answered on both sides"),
        ("gap", comparison_text.gap_text(c)),
        ("flips", comparison_text.flips_text(c)),
    ]
    if c.macro_f1 is not None:
        base, head, interval = c.macro_f1
        ends = (
            f" ({comparison_text.points(interval.low)} to {comparison_text.points(interval.high)})"
            if abs(interval.low) < 2
            else ""
        )
        told.insert(1, ("macro-F1", f"{base:.3f} -> {head:.3f}, {comparison_text.points(interval.value)} points{ends}"))
    if c.base.n_errors + c.head.n_errors:
        told.append(("errors", comparison_text.bounds_text(c)))
    if floor is not None:
        told.append(("noise", comparison_text.noise_text(c, floor)))
    proven = comparison_text.proven_slices(c)
    told += [(name, f"{comparison_text.delta_text(d.paired)}, {comparison_text.p_equals(p)}") for name, d, p in proven]
    told.append(("changed", comparison_text.changed_text(c)))
    told += [
        (name, f"{ratio:.2f} times the base's")
        for name, ratio in comparison_text.ratios(c).items()
        if ratio is not None
    ]
    if c.head.from_store:
        told.append(("note", "every answer of the head is an earlier one from the store: --no-cache asks again"))
    lost = [flip.case_id for flip in c.flips if flip.kind == "right_to_wrong"]
    if lost:
        more = f" and {len(lost) - SHOWN_FLIPS:,} more" if len(lost) > SHOWN_FLIPS else ""
        told.append(("lost cases", " ".join(", ".join(lost[:SHOWN_FLIPS]).split()) + more))
    return told


def _exit_code(c: Comparison, *, strict: bool) -> int:
    from harness.analysis.compare import Verdict

    if c.verdict in {Verdict.REGRESSED, Verdict.STAY}:
        return 1
    undecided = c.verdict is Verdict.INCOMPARABLE or (
        c.verdict is Verdict.INCONCLUSIVE and (strict or c.base.n_errors + c.head.n_errors > 0)
    )
    return 4 if undecided else 0


def _write(c: Comparison, floor: Comparison | None, runs: Sequence[Run], path: Path) -> None:
    """The comparison; as a page, with everything else that a report shows of both runs."""
    from harness import report
    from harness.core.files import write
    from harness.report import comparison_formats
    from harness.report.formats.json import dumps

    if path.suffix.lower() == ".html":
        both = list({run.manifest.run_id: run for run in runs}.values())
        report.write(report.build(both, asked=report.Analyses(comparisons=(c,), noise=floor)), path)
    elif path.suffix.lower() == ".json":
        write(dumps(comparison_formats.as_json(c), indent=1) + "\n", path)
    else:
        write(comparison_formats.markdown(c), path)
