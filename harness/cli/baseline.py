"""`harness baseline`: save results per case in git, and compare later runs with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.analysis.compare import Comparison, RunOutcomes
    from harness.analysis.stats import Rate
    from harness.core.types import Run
    from harness.project.evals import Eval
    from harness.runner.project import Project

HEADING = "Evaluate"
ORDER = 6

app = typer.Typer(
    help="Save the result of each case in a file for git, and compare later runs with it.", no_args_is_help=True
)

SHOWN_FLIPS = 8
SHOWN_REPLY = 60

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals. Default: all evals.")]
OfCell = Annotated[
    str | None,
    typer.Option("--cell", help="One cell, such as local@mistral-q4. Default: the cells that gates apply to."),
]


@app.command()
def save(
    evals: Evals = None,
    cell: OfCell = None,
    replies: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool,
        typer.Option(
            "--replies", help="Also save the replies, at most 2,000 characters per case. Git then stores the replies."
        ),
    ] = False,
) -> None:
    """Save the newest complete run of each cell as its baseline. Sends no requests.

    Writes `evals/baselines/EVAL.CELL.json`. Each case has one line: correct or not, in format or not, and a hash of the
    answer. With --replies, the file also holds the replies, which may repeat customer data.

    Examples:

        harness baseline save
        harness baseline save ticket_triage --cell local@mistral-q4
    """
    from harness.analysis import baseline
    from harness.analysis.compare import outcomes_of
    from harness.core.formatting import visible
    from harness.runner import gate_checks
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        runs = _runs(project, evals, cell)
        sides = [outcomes_of(run) for run in runs]
        for each in sides:
            baseline.check(each)  # save all baselines or none
        for run, each in zip(runs, sides, strict=True):
            typer.echo(visible(gate_checks.renew(project.root, each, _reply_texts(run) if replies else None)))


def _runs(project: Project, names: Sequence[str] | None, cell: str | None) -> list[Run]:
    """The newest complete run of each cell that gates apply to, or of `cell`.

    Raises:
        StoreError: There is no such run.
    """
    from harness.core.errors import StoreError
    from harness.project import evals
    from harness.runner import gate_checks

    definitions = evals.find(project.root, names or ())
    runs = [run for each in definitions for run in gate_checks.newest(project, each, every=cell is not None)]
    selected = [run for run in runs if cell in {None, run.manifest.cell}]
    if not selected:
        of = f" of {cell}" if cell else ""
        there = f" (available: {', '.join(sorted({run.manifest.cell for run in runs}))})" if runs else ""
        msg = f"no complete run{of} in {project.store.url}{there}: start one with `harness run`"
        raise StoreError(msg)
    return selected


def _reply_texts(run: Run) -> dict[str, str]:
    """Case id -> reply; of a case with repeats, the first reply."""
    return {r.case.id: r.response.text for r in reversed(run.results) if r.reading is not None}


@app.command()
def check(
    evals: Evals = None,
    cell: OfCell = None,
    strict: Annotated[  # noqa: FBT002
        bool, typer.Option("--strict", help="Exit with code 4 if the verdict is INCONCLUSIVE.")
    ] = False,
) -> None:
    """Compare the newest complete run of each cell with its baseline. Sends no requests.

    The allowed loss is the eval's max_regression, by default 0.03 (3 points). Cells without a baseline are skipped with
    a note.

    Examples:

        harness baseline check
        harness baseline check ticket_triage --cell local@mistral-q4 --strict

    Exit codes: 0 good or INCONCLUSIVE, 1 REGRESSED, 2 usage error, 4 INCOMPARABLE, no newer run, failed calls that
    could change the verdict, nothing to compare, or INCONCLUSIVE with --strict.
    """
    from harness.analysis.compare import Verdict
    from harness.cli._common import print_error, print_note
    from harness.runner.project import Project

    codes: set[int] = set()
    with Project.open(read_only=True) as project:
        for title, c in _compared(project, evals, cell):
            if isinstance(c, str):
                print_error(f"{title}: {c}") if c == NO_RUN else print_note(f"{title}: {c}")
                codes |= {4} if c == NO_RUN else set()
                continue
            _print_verdict(title, c)
            undecided = (
                c.base.run_id == c.head.run_id
                or c.verdict is Verdict.INCOMPARABLE
                or (c.verdict is Verdict.INCONCLUSIVE and (strict or c.head.n_errors > 0))
            )
            codes.add(1 if c.verdict is Verdict.REGRESSED else 4 if undecided else 0)
    if not codes:
        print_error("nothing was compared: save a baseline of a complete run with `harness baseline save`")
    raise typer.Exit(1 if 1 in codes else max(codes, default=4))


NO_RUN = "has a baseline, but no complete run to compare: start one with `harness run`"
NO_BASELINE = "has no baseline: save one with `harness baseline save`"


def _compared(
    project: Project, names: Sequence[str] | None, cell: str | None
) -> Iterator[tuple[str, Comparison | str]]:
    """Each cell with a run or a baseline: its name, and the comparison or a message about the missing part."""
    from harness.analysis import baseline
    from harness.analysis.compare import outcomes_of
    from harness.analysis.compare.alarms import family_level
    from harness.project import evals as evals_module
    from harness.runner import gate_checks
    from harness.runner.questions import question

    found: list[tuple[Eval, str, bool, Run | None]] = []
    for definition in evals_module.find(project.root, names or ()):
        saved = {s.cell for s in baseline.find(project.root, definition.name)}
        runs = {run.manifest.cell: run for run in gate_checks.newest(project, definition, every=True)}
        own = {run.manifest.cell for run in gate_checks.newest(project, definition)}
        found += [
            (definition, name, name in saved, runs.get(name)) for name in sorted(saved | own) if cell in {None, name}
        ]
    # All comparisons of this command share one false alarm a year, as in a weekly run.
    level = family_level(sum(is_saved and run is not None for _, _, is_saved, run in found))
    for definition, name, is_saved, run in found:
        if not is_saved or run is None:
            yield f"{definition.name} {name}", NO_RUN if is_saved else NO_BASELINE
            continue
        asked = question(project, definition.name, "change", level=level)
        c = gate_checks.to_baseline(project.root, outcomes_of(run), asked)
        if c is not None:
            yield f"{definition.name} {name}", c


def _print_verdict(title: str, c: Comparison) -> None:
    from harness.analysis.compare import Verdict
    from harness.analysis.compare.verdicts import UNDECIDED
    from harness.core.formatting import visible
    from harness.report import comparison_text, verdict_text

    verdict = Verdict.INCONCLUSIVE if c.base.run_id == c.head.run_id else c.verdict
    colour = "red" if verdict is Verdict.REGRESSED else "yellow" if verdict in UNDECIDED else "green"
    typer.secho(f"{verdict.value:12} ", fg=colour, nl=False)
    if c.base.run_id == c.head.run_id:
        typer.echo(visible(f"{title}: no run since the baseline, {c.base.run_id}"))
        return
    typer.echo(
        visible(f"{title}: {verdict_text.reason_and_losses_text(c)}; changed: {comparison_text.changed_text(c)}")
    )


@app.command(name="list")
def list_() -> None:
    """List the baselines of this project.

    Examples:

        harness baseline list

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.analysis import baseline
    from harness.cli._common import console
    from harness.core.formatting import moment
    from harness.project import config
    from harness.report.rate_text import rate_text
    from harness.report.terminal_table import TerminalTable

    root = config.load().root
    whole = ["cases", "strict", "run", "of"]
    table = TerminalTable("eval", "cell", *whole, names=["eval", "cell"], left=whole)
    for side in baseline.find(root):
        strict = rate_text(_rate(side, "strict"))
        table.add(
            side.eval,
            side.cell,
            f"{len(side.cases):,}",
            strict,
            side.run_id,
            moment(side.started_at),
        )
    none = f"no baselines in {root / baseline.FOLDER}: save them with `harness baseline save`"
    console().print(table if len(table) else none, markup=False)


@app.command()
def show(
    eval_name: Annotated[str, typer.Argument(metavar="EVAL", help="The eval.")],
    cell: OfCell = None,
) -> None:
    """Show a baseline: its run, its accuracy, and the changes up to the newest run.

    Examples:

        harness baseline show ticket_triage

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.analysis import baseline
    from harness.core.errors import ConfigError
    from harness.core.formatting import moment, visible
    from harness.report.rate_text import rate_text
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        saved = [side for side in baseline.find(project.root, eval_name) if cell in {None, side.cell}]
        if not saved:
            msg = f"{eval_name} has no baseline{f' of {cell}' if cell else ''}: save one with `harness baseline save`"
            raise ConfigError(msg)
        now = dict(_compared(project, [eval_name], cell))
        for side in saved:
            typer.secho(visible(f"{side.eval} {side.cell}"), bold=True)
            facts = [
                ("run", f"{side.run_id}, {moment(side.started_at)}"),
                ("cases", f"{len(side.cases):,}"),
            ]
            facts += [(name, rate_text(_rate(side, name))) for name in ("strict", "lenient", "compliant")]
            facts += [(name, side.fingerprint[name]) for name in HEAD if side.fingerprint.get(name)]
            for name, text in (*facts, *_since(now[f"{side.eval} {side.cell}"])):
                typer.echo(visible(f"  {name:14} {text}"))
            for line in _replies(project, now[f"{side.eval} {side.cell}"]):
                typer.echo(visible(line))


HEAD = ("prompt", "dataset", "contract", "model", "quantization", "engine", "engine_version", "harness")
"""The parts of a fingerprint that are not hashes."""


def _since(c: Comparison | str) -> list[tuple[str, str]]:
    """Rows about the newest run since the baseline was saved."""
    from harness.report import comparison_text, verdict_text

    if isinstance(c, str):
        return [("since", "no run")]
    if c.base.run_id == c.head.run_id:
        return [("since", "no newer run")]
    rows = [("newest run", c.head.run_id), ("verdict", verdict_text.verdict_text(c))]
    rows += [("flips", comparison_text.flips_text(c)), ("changed", comparison_text.changed_text(c))]
    ids = c.lost_cases
    more = f" and {len(ids) - SHOWN_FLIPS:,} more" if len(ids) > SHOWN_FLIPS else ""
    return [*rows, ("lost cases", ", ".join(ids[:SHOWN_FLIPS]) + more)] if ids else rows


def _replies(project: Project, c: Comparison | str) -> Iterator[str]:
    """Lines with the old and new reply to each lost case, if the baseline has replies."""
    from harness.analysis import baseline
    from harness.core.formatting import one_line

    kept = {} if isinstance(c, str) else baseline.replies(project.root, c.base)
    if not kept or isinstance(c, str):
        return
    now = _reply_texts(project.store.load(c.head.run_id))
    lost = c.lost_cases
    for i in lost[:SHOWN_FLIPS]:
        then, today = (one_line(replies.get(i, ""), SHOWN_REPLY) for replies in (kept, now))
        yield f"    {i}: was {then!r}, now {today!r}"


def _rate(side: RunOutcomes, name: str) -> Rate:
    from harness.analysis.stats import clustered_rate

    return clustered_rate([(getattr(case, name), case.judged) for case in side.cases.values() if case.judged])
