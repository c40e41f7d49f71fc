"""`harness baseline`: what each case came to when all was well, kept in git, and what has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.analysis.compare import Comparison, RunOutcomes
    from harness.analysis.stats import Rate
    from harness.core.types import Run
    from harness.runner.project import Project

app = typer.Typer(
    help="Keep what each case came to in a file made for git, and say what has changed since.", no_args_is_help=True
)

SHOWN_FLIPS = 8
SHOWN_REPLY = 60

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals; all of them if none is named.")]
OfCell = Annotated[
    str | None, typer.Option("--cell", help="One cell, such as local@mistral-q4. Default: those that gates judge.")
]


@app.command()
def save(
    evals: Evals = None,
    cell: OfCell = None,
    replies: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool,
        typer.Option(
            "--replies", help="Keep what the model said, too, at most 2,000 characters a case: it goes to git."
        ),
    ] = False,
) -> None:
    """Save the newest whole run of each cell as its baseline, `evals/baselines/EVAL.CELL.json`. Asks no model.

    A file has one line for each case, sorted: right or wrong, in format or not, and a hash of the answer. With
    --replies it also holds what a model said, which may repeat what customers wrote.

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
            baseline.check(each)  # all or nothing
        for run, each in zip(runs, sides, strict=True):
            typer.echo(visible(gate_checks.renew(project.root, each, _said(run) if replies else None)))


def _runs(project: Project, names: Sequence[str] | None, cell: str | None) -> list[Run]:
    """The newest whole run of each cell that gates judge, or of `cell`; raises where there is none."""
    from harness.core.errors import StoreError
    from harness.project import evals
    from harness.runner import gate_checks

    definitions = evals.find(project.root, names or ())
    runs = [run for one in definitions for run in gate_checks.newest(project, one, every=cell is not None)]
    chosen = [run for run in runs if cell in {None, run.manifest.cell}]
    if not chosen:
        of = f" of {cell}" if cell else ""
        there = f" (there are: {', '.join(sorted({run.manifest.cell for run in runs}))})" if runs else ""
        msg = f"no whole run{of} in {project.store.url}{there}: `harness run` makes some"
        raise StoreError(msg)
    return chosen


def _said(run: Run) -> dict[str, str]:
    """What was said to each case; of one that was asked repeatedly, the first time."""
    return {r.case.id: r.response.text for r in reversed(run.results) if r.reading is not None}


@app.command()
def check(
    evals: Evals = None,
    cell: OfCell = None,
    strict: Annotated[  # noqa: FBT002
        bool, typer.Option("--strict", help="Exit with 4 where nothing is proven either way.")
    ] = False,
) -> None:
    """Compare the newest whole run of each cell with its baseline. Asks no model.

    What may be lost is the eval's max_regression, else 0.03. A cell without a baseline is named and passed over.

    Examples:

        harness baseline check
        harness baseline check ticket_triage --cell local@mistral-q4 --strict

    Exit codes: 0 good or nothing proven, 1 REGRESSED, 2 usage, 4 INCOMPARABLE, no run since then, errors that could
    overturn the verdict, nothing compared at all, or INCONCLUSIVE with --strict.
    """
    from harness.analysis.compare import Verdict
    from harness.cli._common import complain, note
    from harness.runner.project import Project

    codes: set[int] = set()
    with Project.open(read_only=True) as project:
        for title, c in _compared(project, evals, cell):
            if isinstance(c, str):
                complain(f"{title}: {c}") if c == NO_RUN else note(f"{title}: {c}")
                codes |= {4} if c == NO_RUN else set()
                continue
            _tell(title, c)
            undecided = (
                c.base.run_id == c.head.run_id
                or c.verdict is Verdict.INCOMPARABLE
                or (c.verdict is Verdict.INCONCLUSIVE and (strict or c.head.n_errors > 0))
            )
            codes.add(1 if c.verdict is Verdict.REGRESSED else 4 if undecided else 0)
    if not codes:
        complain("nothing was compared: `harness baseline save` makes a baseline of a whole run")
    raise typer.Exit(1 if 1 in codes else max(codes, default=4))


NO_RUN = "has a baseline and no whole run to compare with it: `harness run` makes one"
NO_BASELINE = "has no baseline: `harness baseline save` makes one"


def _compared(
    project: Project, names: Sequence[str] | None, cell: str | None
) -> Iterator[tuple[str, Comparison | str]]:
    """Each cell that has a run or a baseline: the two compared, or what is missing."""
    from harness.analysis import baseline
    from harness.analysis.compare import outcomes_of
    from harness.project import evals as evals_module
    from harness.runner import gate_checks

    for definition in evals_module.find(project.root, names or ()):
        saved = {s.cell for s in baseline.find(project.root, definition.name)}
        runs = {run.manifest.cell: run for run in gate_checks.newest(project, definition, every=True)}
        own = {run.manifest.cell for run in gate_checks.newest(project, definition)}
        for name in sorted(saved | own):
            if cell not in {None, name}:
                continue
            if name not in saved or name not in runs:
                yield f"{definition.name} {name}", NO_RUN if name in saved else NO_BASELINE
                continue
            c = gate_checks.to_baseline(project.root, outcomes_of(runs[name]), definition.gates.max_regression)
            if c is not None:
                yield f"{definition.name} {name}", c


def _tell(title: str, c: Comparison) -> None:
    from harness.analysis.compare import Verdict
    from harness.analysis.compare.verdicts import UNDECIDED
    from harness.core.formatting import visible
    from harness.report import comparison_text

    verdict = Verdict.INCONCLUSIVE if c.base.run_id == c.head.run_id else c.verdict
    colour = "red" if verdict is Verdict.REGRESSED else "yellow" if verdict in UNDECIDED else "green"
    typer.secho(f"{verdict.value:12} ", fg=colour, nl=False)
    if c.base.run_id == c.head.run_id:
        typer.echo(visible(f"{title}: no run since the baseline, {c.base.run_id}"))
        return
    typer.echo(
        visible(f"{title}: {comparison_text.reason_and_losses_text(c)}; changed: {comparison_text.changed_text(c)}")
    )


@app.command(name="list")
def list_() -> None:
    """List the baselines of this project."""
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
    none = f"no baselines in {root / baseline.FOLDER}: `harness baseline save` makes some"
    console().print(table if len(table) else none, markup=False)


@app.command()
def show(
    eval_name: Annotated[str, typer.Argument(metavar="EVAL", help="The eval.")],
    cell: OfCell = None,
) -> None:
    """Show a baseline: what it is of, how many are right, and what has changed up to the newest run.

    Examples:

        harness baseline show ticket_triage
    """
    from harness.analysis import baseline
    from harness.core.errors import ConfigError
    from harness.core.formatting import moment, visible
    from harness.report.rate_text import rate_text
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        saved = [side for side in baseline.find(project.root, eval_name) if cell in {None, side.cell}]
        if not saved:
            msg = f"{eval_name} has no baseline{f' of {cell}' if cell else ''}: `harness baseline save` makes one"
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
"""The parts of a fingerprint that people can read."""


def _since(c: Comparison | str) -> list[tuple[str, str]]:
    """What has happened since the baseline was saved."""
    from harness.report import comparison_text

    if isinstance(c, str):
        return [("since", "no run")]
    if c.base.run_id == c.head.run_id:
        return [("since", "no newer run")]
    told = [("newest run", c.head.run_id), ("verdict", comparison_text.verdict_text(c))]
    told += [("flips", comparison_text.flips_text(c)), ("changed", comparison_text.changed_text(c))]
    ids = [flip.case_id for flip in c.flips if flip.kind == "right_to_wrong"]
    more = f" and {len(ids) - SHOWN_FLIPS:,} more" if len(ids) > SHOWN_FLIPS else ""
    return [*told, ("lost cases", ", ".join(ids[:SHOWN_FLIPS]) + more)] if ids else told


def _replies(project: Project, c: Comparison | str) -> Iterator[str]:
    """Of cases that were lost, what was said then and now, where the baseline keeps it."""
    from harness.analysis import baseline
    from harness.core.formatting import one_line

    kept = {} if isinstance(c, str) else baseline.replies(project.root, c.base)
    if not kept or isinstance(c, str):
        return
    now = _said(project.store.load(c.head.run_id))
    lost = [flip.case_id for flip in c.flips if flip.kind == "right_to_wrong"]
    for i in lost[:SHOWN_FLIPS]:
        then, today = (one_line(said.get(i, ""), SHOWN_REPLY) for said in (kept, now))
        yield f"    {i}: said {then!r}, says {today!r}"


def _rate(side: RunOutcomes, name: str) -> Rate:
    from harness.analysis.stats import clustered_rate

    return clustered_rate([(getattr(case, name), case.asked) for case in side.cases.values() if case.asked])
