"""`harness compare`."""

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

HEADING = "Evaluate"
ORDER = 4

ENDINGS = (".html", ".json", ".md")
SHOWN_FLIPS = 8


class QuestionKind(StrEnum):
    """Values of `--question`."""

    value: Literal["move", "change"]
    MOVE = "move"
    CHANGE = "change"


def compare(
    base: Annotated[
        str,
        typer.Argument(help="The run to compare with: its id, EVAL/CELL, CELL~1 (the run before), latest, previous."),
    ],
    head: Annotated[str, typer.Argument(help="The run to judge, named in the same way.")],
    margin: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Allowed loss of strict accuracy. Default: the eval's, else 0.03."),
    ] = None,
    question: Annotated[
        QuestionKind | None,
        typer.Option(
            help="move: may the task move from base to head? change: is head still as good? Default: see above."
        ),
    ] = None,
    shared: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--shared", help="Compare only the cases that both runs have.")
    ] = False,
    strict: Annotated[  # noqa: FBT002
        bool, typer.Option("--strict", help="Exit with code 4 if the verdict is INCONCLUSIVE.")
    ] = False,
    eval_name: Annotated[str | None, typer.Option("--eval", help="Look up runs in this eval only.")] = None,
    noise: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two runs of the same cell: shows how many cases change by chance."),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write the comparison to this file: .html .json .md; repeatable."),
    ] = None,
) -> None:
    """Compare two saved runs case by case, with a verdict and its confidence interval. Sends no requests.

    `previous latest` compares the newest run of every cell with the run before it: one line for each cell, the worst
    first, and the worst exit code. `--eval` selects an eval; with a tag: `previous#weekly latest#weekly`.

    Also shows flipped cases and what changed between the runs. The question is `move` if the runs are of the
    reference and the candidate of [pair], else `change`.

    Examples:

        harness compare previous latest       # every cell with its own run before
        harness compare gpt@gpt-4o local@mistral-q4 --margin 0.03
        harness compare triage/local@q8 triage/local@q4 -o q4.json -o q4.html

    Exit codes: 0 good or INCONCLUSIVE, 1 REGRESSED or STAY, 2 usage error, 4 INCOMPARABLE, failed calls that could
    change the verdict, or INCONCLUSIVE with --strict.
    """
    from harness import api
    from harness.analysis.compare import compare as compare_sides
    from harness.analysis.compare import outcomes_of
    from harness.cli import _compare_cells
    from harness.cli._common import console
    from harness.report.write import check_ending
    from harness.runner.project import Project
    from harness.store.run_refs import find_run, newest_pairs, pairing_tag

    for path in output or ():
        check_ending(path, ENDINGS)
    with Project.open(read_only=True) as project:
        tag = pairing_tag(base, head)
        pairs = [] if tag is None else newest_pairs(project.store, tag, eval_name)
        if len(pairs) > 1:
            options = _compare_cells.CompareOptions(question.value if question else "change", margin, shared, strict)
            raise typer.Exit(_compare_cells.compare_cells(project, pairs, options, output or ()))
        if pairs and pairs[0].base is not None:
            base, head = pairs[0].base.run_id, pairs[0].head.run_id
        runs = api.find_pair(project.store, base, head, eval_name)
        sides = [outcomes_of(run) for run in runs]
        same = [outcomes_of(find_run(project.store, name, eval_name)) for name in noise or ()]
        comparison_question = api.question_of(project, sides[0], sides[1], question.value if question else None, margin)
    comparison = compare_sides(sides[0], sides[1], comparison_question, shared=shared)
    floor = compare_sides(same[0], same[1], comparison_question, shared=shared) if same else None
    console().print(_screen(comparison, floor))
    for path in output or ():
        _write(comparison, floor, runs, path)
        typer.echo(f"comparison: {path}")
    raise typer.Exit(_compare_cells.exit_code(comparison, strict=strict))


def _screen(c: Comparison, floor: Comparison | None) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from harness.core.formatting import visible
    from harness.report import comparison_text, verdict_text
    from harness.report.rate_text import rate_text
    from harness.report.terminal import COLOURS
    from harness.report.terminal_table import TerminalTable

    colour = COLOURS[comparison_text.tone(c.verdict)]
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
        Text(verdict_text.question(c), style="dim"),
        Text.assemble((c.verdict.value, f"bold {colour}"), f"  {visible(verdict_text.reason_text(c))}"),
        Text(""),
        rates,
        Text(""),
        facts,
    )


def _facts(c: Comparison, floor: Comparison | None) -> list[tuple[str, str]]:
    """Rows below the rates: name and text."""
    from harness.report import comparison_text

    rows = [
        ("cases", comparison_text.cases_text(c)),
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
        rows.insert(1, ("macro-F1", f"{base:.3f} -> {head:.3f}, {comparison_text.points(interval.value)} points{ends}"))
    rows += comparison_text.notes(c)
    if c.base.n_errors + c.head.n_errors:
        rows.append(("errors", comparison_text.bounds_text(c)))
    if floor is not None:
        rows.append(("noise", comparison_text.noise_text(c, floor)))
    proven = comparison_text.proven_slices(c)
    rows += [(name, f"{comparison_text.delta_text(d.paired)}, {comparison_text.p_equals(p)}") for name, d, p in proven]
    rows.append(("changed", comparison_text.changed_text(c)))
    rows += [
        (name, f"{ratio:.2f} times the base") for name, ratio in comparison_text.ratios(c).items() if ratio is not None
    ]
    if c.head.from_store:
        rows.append(("note", "all replies of the head come from the cache: repeat the run with --no-cache"))
    lost = c.lost_cases
    if lost:
        more = f" and {len(lost) - SHOWN_FLIPS:,} more" if len(lost) > SHOWN_FLIPS else ""
        rows.append(("lost cases", " ".join(", ".join(lost[:SHOWN_FLIPS]).split()) + more))
    return rows


def _write(c: Comparison, floor: Comparison | None, runs: Sequence[Run], path: Path) -> None:
    """Write the comparison; as .html, inside a report of both runs."""
    from harness import report
    from harness.core.files import write
    from harness.report import comparison_formats
    from harness.report.formats.json import dumps

    if path.suffix.lower() == ".html":
        both = list({run.manifest.run_id: run for run in runs}.values())
        report.write(report.build(both, analyses=report.Analyses(comparisons=(c,), noise=floor)), path)
    elif path.suffix.lower() == ".json":
        write(dumps(comparison_formats.as_json(c), indent=1) + "\n", path)
    else:
        write(comparison_formats.markdown(c), path)
