"""`harness review`: import human labels of production replies and judge production by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.monitor.label_files import LabelFile
    from harness.monitor.review import Review
    from harness.monitor.sheets import SheetLabel
    from harness.runner.project import Project

HEADING = "Act on it"
ORDER = 4

app = typer.Typer(
    help="Import human labels of sampled replies, and compare production with its baseline.",
    no_args_is_help=True,
)

Strict = Annotated[bool, typer.Option("--strict", help="Exit with code 4 if the verdict is INCONCLUSIVE.")]


@app.command("import")
def import_(
    file: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Labelled .json or .csv files, one per reviewer.")
    ],
    reviewer: Annotated[
        str | None, typer.Option(help="The reviewer, if the file has none. Default: the file's name.")
    ] = None,
    strict: Strict = False,  # noqa: FBT002  Typer's way to say a flag
) -> None:
    """Import labels and compare the week's accuracy with the baseline of each cell.

    The baseline is the saved one of the cell, else its newest complete run, else its reviews of the last half year.
    REGRESSED means: this week is far below the baseline, or this week and the week before are below the baseline. The
    more cells are under review, the larger a drop must be, so that the project has 0.15 false alarms a year in all.

    The accuracy includes a judge's verdicts (`harness judge SHEET`), if there are any.

    With two reviewers, Cohen's kappa shows how much they agree. Importing a reviewer's labels again replaces them.

    Examples:

        harness review import ~/Downloads/2026-w47-3f2a9c01.anna.json
        harness review import anna.json ben.csv

    Exit codes: 0 good or INCONCLUSIVE, 1 REGRESSED, 2 usage error or invalid file, 4 INCONCLUSIVE with --strict.
    """
    from harness.core.errors import ConfigError
    from harness.monitor import label_files, sheets
    from harness.runner.project import Project

    read_files = [label_files.read(path) for path in file]
    names = _reviewers(read_files, reviewer)
    if len(sheet_ids := {each.sheet for each in read_files}) > 1:
        msg = f"the files belong to several sheets, {', '.join(sorted(sheet_ids))}: import one sheet at a time"
        raise ConfigError(msg)
    with Project.open(read_only=True) as project:
        sheet = sheets.load(project.store, read_files[0].sheet)
        checked: list[list[SheetLabel]] = [
            label_files.labels(each, sheet, name) for each, name in zip(read_files, names, strict=True)
        ]
        for labels in checked:  # import all files or none
            sheets.add_labels(project.store, sheet.sheet, labels)
        _judge(project, sheet.sheet, strict=strict)


@app.command()
def show(
    sheet: Annotated[
        str | None, typer.Argument(metavar="SHEET", help="The sheet. Default: the newest reviewed sheet.")
    ] = None,
    strict: Strict = False,  # noqa: FBT002
) -> None:
    """Show a review again, with all imported labels and the current baseline.

    Examples:

        harness review show

    Exit codes: as for `harness review import`.
    """
    from harness.core.errors import StoreError
    from harness.monitor import sheets
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        reviewed = sheets.labelled_sheets(project.store)
        if not (sheet or reviewed):
            url = project.store.url
            msg = f"no labels in {url}: draw replies with `harness sample`, then run `harness review import`"
            raise StoreError(msg)
        _judge(project, sheet or reviewed[0], strict=strict)


def _judge(project: Project, sheet: str, *, strict: bool) -> None:
    from harness.analysis.compare import Verdict
    from harness.monitor import review as reviews

    review = reviews.review(project, sheet)
    _print_review(review)
    verdict = review.verdict
    raise typer.Exit(1 if verdict is Verdict.REGRESSED else 4 if strict and verdict is Verdict.INCONCLUSIVE else 0)


def _print_review(review: Review) -> None:
    from rich.text import Text

    from harness.cli._common import console
    from harness.core.formatting import plural, visible
    from harness.monitor import wording
    from harness.report.comparison_text import tone
    from harness.report.terminal import COLOURS

    screen = console()
    reviewers = f"labelled by {', '.join(review.reviewers)}" if review.reviewers else "not labelled yet"
    head = f"review {review.sheet.sheet}: {plural(len(review.sheet.items), 'reply', 'replies')}, {reviewers}"
    screen.print(Text(visible(head), style="bold"))
    for c in review.cells:
        badge = (c.verdict.value, f"bold {COLOURS[tone(c.verdict)]}") if c.verdict else ("not judged", "dim")
        screen.print(Text.assemble((visible(f"{c.task} {c.cell}"), "bold"), "  ", badge))
        screen.print(Text(visible(f"  {wording.cell_text(c)}")))
        screen.print(Text(visible(f"  {wording.counts_text(c)}"), style="dim"))
    for agreement in review.agreements:
        screen.print(Text(visible(f"{agreement.task}: {wording.agreement_text(agreement)}")))


def _reviewers(label_files: Sequence[LabelFile], reviewer: str | None) -> list[str]:
    from harness.core.errors import ConfigError

    if reviewer is not None and len(label_files) > 1:
        msg = "--reviewer names one person, but there are several files: import one file at a time"
        raise ConfigError(msg)
    names = [reviewer or each.reviewer or each.path.stem for each in label_files]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        msg = f"{twice[0]!r} is the reviewer of more than one file: import one at a time, with --reviewer"
        raise ConfigError(msg)
    return names
