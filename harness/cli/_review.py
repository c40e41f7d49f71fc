"""`sample` and `review`: a weekly sample of what production said, and what people say of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.monitor.files import LabelFile
    from harness.monitor.sheets import SheetLabel
    from harness.monitor.verdicts import Review
    from harness.runner.project import Project

FOLDER = "reviews"

review_app = typer.Typer(
    help="Read labels of logged replies in, and say whether production is still as good as its baseline.",
    no_args_is_help=True,
)

Strict = Annotated[bool, typer.Option("--strict", help="Exit with 4 where nothing is proven either way.")]


def sample(
    since: Annotated[str, typer.Option(metavar="7d|2w|YYYY-MM-DD", help="How far back, in whole days (UTC).")] = "7d",
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The last day. [today]")
    ] = None,
    per_task: Annotated[int, typer.Option("--per-task", min=1, help="How many replies of each task.")] = 100,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="The same calls and the same seed give the same sample.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to, without an ending. [reviews/SHEET]")
    ] = None,
) -> None:
    """Draw a stratified sample of logged replies into a review sheet: a page to label with the keyboard, and a CSV.

    Strata are what was said and by which backend; of each at least two replies are drawn. Needs the texts of calls:
    `[log] texts = true` in harness.toml. The files hold what customers wrote; the folder keeps itself out of git.

    Examples:

        harness sample --since 7d --per-task 100
        harness sample --since 2026-11-16 --until 2026-11-22 -o reviews/w47
    """
    from datetime import UTC

    from harness.core.files import write
    from harness.core.formatting import plural, visible
    from harness.monitor import files, page, sheets, weeks
    from harness.monitor.kinds import labels_of
    from harness.runner.project import Project
    from harness.store import traffic

    start, end = weeks.days(since, until.date() if until else None, datetime.now(UTC))
    with Project.open(read_only=True) as project:
        tasks = _known(traffic.tasks(project.store), task or ())
        wanted = sheets.SampleRequest(start, end, per_task, seed, tuple(task or ()))
        sheet, drawn = sheets.draw(project.store, labels_of(project.config, tasks), wanted)
        stem = output or project.root / FOLDER / sheet.sheet
    if stem.suffix in {".html", ".csv"}:
        stem = stem.with_suffix("")
    _keep_out_of_git(stem.parent)
    paths = [stem.with_name(f"{stem.name}{ending}") for ending in (".html", ".csv")]
    write(page.render(sheet, drawn), paths[0])
    write(files.csv_of(sheet, drawn), paths[1])
    typer.echo(
        f"sheet {sheet.sheet}: {plural(len(drawn), 'reply', 'replies')} of {start[:10]} to {weeks.last_day(end)}"
    )
    for name in dict.fromkeys(one.call.task for one in drawn):
        strata = {one.stratum: one.size for one in drawn if one.call.task == name}
        n = sum(one.call.task == name for one in drawn)
        typer.echo(
            visible(f"  {name}: {n:,} of {sum(strata.values()):,} calls, {plural(len(strata), 'stratum', 'strata')}")
        )
    for path in paths:
        typer.echo(f"sheet: {path}")


@review_app.command("import")
def import_(
    file: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Labelled .json or .csv; of two reviewers, two.")
    ],
    reviewer: Annotated[str | None, typer.Option(help="Who labelled, where the file does not say. [its name]")] = None,
    strict: Strict = False,  # noqa: FBT002  Typer's way to say a flag
) -> None:
    """Take labels in, and judge: weekly accuracy with its interval against the baseline of each cell.

    Held against is the saved baseline of the cell, else its newest whole run, else its reviews of half a year.
    REGRESSED is a week far below that, or the second in a row below it. With two reviewers Cohen's kappa says how far
    they agree. The same reviewer's labels may be imported again.

    Examples:

        harness review import ~/Downloads/2026-w47-3f2a9c01.anna.json
        harness review import anna.json ben.csv

    Exit codes: 0 good or nothing proven, 1 REGRESSED, 2 usage or a file that is wrong, 4 INCONCLUSIVE with --strict.
    """
    from harness.core.errors import ConfigError
    from harness.monitor import files, sheets
    from harness.runner.project import Project

    read = [files.read(path) for path in file]
    names = _reviewers(read, reviewer)
    if len({one.sheet for one in read}) > 1:
        msg = f"the files are of several sheets: {', '.join(sorted({one.sheet for one in read}))}; import one at a time"
        raise ConfigError(msg)
    with Project.open(read_only=True) as project:
        sheet = sheets.load(project.store, read[0].sheet)
        checked: list[list[SheetLabel]] = [files.labels(one, sheet, who) for one, who in zip(read, names, strict=True)]
        for labels in checked:  # all or nothing
            sheets.add_labels(project.store, sheet.sheet, labels)
        _judge(project, sheet.sheet, strict=strict)


@review_app.command()
def show(
    sheet: Annotated[str | None, typer.Argument(metavar="[SHEET]", help="Which; the newest that was reviewed.")] = None,
    strict: Strict = False,  # noqa: FBT002
) -> None:
    """Say again what a review came to, by the labels that are there and the baseline of today.

    Examples:

        harness review show

    Exit codes: as of `import`.
    """
    from harness.core.errors import StoreError
    from harness.monitor import sheets
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        there = sheets.reviewed(project.store)
        if not (sheet or there):
            advice = "`harness sample` draws replies, `harness review import` takes labels"
            msg = f"no labels in {project.store.url} yet: {advice}"
            raise StoreError(msg)
        _judge(project, sheet or there[0], strict=strict)


def _judge(project: Project, sheet: str, *, strict: bool) -> None:
    from harness.analysis.compare import Verdict
    from harness.monitor import verdicts, words

    found = verdicts.review(project, sheet)
    _tell(found)
    verdict = words.verdict(found)
    raise typer.Exit(1 if verdict is Verdict.REGRESSED else 4 if strict and verdict is Verdict.INCONCLUSIVE else 0)


def _tell(found: Review) -> None:
    from rich.text import Text

    from harness.cli._common import console
    from harness.core.formatting import visible
    from harness.monitor import words
    from harness.report.comparison_text import standing
    from harness.report.terminal import COLOURS

    screen = console()
    by = f"labelled by {', '.join(found.reviewers)}" if found.reviewers else "not labelled yet"
    head = f"review {found.sheet.sheet}: {len(found.sheet.items):,} replies, {by}"
    screen.print(Text(visible(head), style="bold"))
    for c in found.cells:
        badge = (c.verdict.value, f"bold {COLOURS[standing(c.verdict)]}") if c.verdict else ("not judged", "dim")
        screen.print(Text.assemble((visible(f"{c.task} {c.cell}"), "bold"), "  ", badge))
        screen.print(Text(visible(f"  {words.cell(c)}")))
        screen.print(Text(visible(f"  {words.rest(c)}"), style="dim"))
    for agreement in found.agreements:
        screen.print(Text(visible(f"{agreement.task}: {words.agreement(agreement)}")))


def _reviewers(read: Sequence[LabelFile], reviewer: str | None) -> list[str]:
    from harness.core.errors import ConfigError

    if reviewer is not None and len(read) > 1:
        msg = "--reviewer names one person, and there are several files: import one at a time"
        raise ConfigError(msg)
    names = [reviewer or one.reviewer or one.path.stem for one in read]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        msg = f"{twice[0]!r} is the reviewer of more than one file: import one at a time, with --reviewer"
        raise ConfigError(msg)
    return names


def _known(there: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    """The tasks to be sampled; raises where one has no calls."""
    from harness.core.errors import ConfigError
    from harness.core.toml import hint

    for name in wanted:
        if there and name not in there:
            msg = f"no calls of {name!r} are logged{hint(name, there)}"
            raise ConfigError(msg)
    return wanted or there


def _keep_out_of_git(folder: Path) -> None:
    """As the store's folder does: replies hold what customers wrote."""
    from harness.core.files import write

    if not folder.exists():
        write("*\n", folder / ".gitignore")
