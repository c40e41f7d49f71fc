"""`sample` and `review`: a weekly sample of what production said, and what people say of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.monitor.files import LabelFile
    from harness.monitor.sheets import SheetLabel
    from harness.monitor.verdicts import Review
    from harness.project.config import Config
    from harness.store.runs import Store

HEADING = "Act on it"
ORDER = 4

app = typer.Typer(
    help="Read labels of logged replies in, and say whether production is still as good as its baseline.",
    no_args_is_help=True,
)

Strict = Annotated[bool, typer.Option("--strict", help="Exit with 4 where nothing is proven either way.")]


@app.command("import")
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
    from harness import api
    from harness.core.errors import ConfigError
    from harness.monitor import files, sheets

    read = [files.read(path) for path in file]
    names = _reviewers(read, reviewer)
    if len({one.sheet for one in read}) > 1:
        msg = f"the files are of several sheets: {', '.join(sorted({one.sheet for one in read}))}; import one at a time"
        raise ConfigError(msg)
    with api.project(reading=True) as (project, store):
        sheet = sheets.load(store, read[0].sheet)
        checked: list[list[SheetLabel]] = [files.labels(one, sheet, who) for one, who in zip(read, names, strict=True)]
        for labels in checked:  # all or nothing
            sheets.add_labels(store, sheet.sheet, labels)
        _judge(project, store, sheet.sheet, strict=strict)


@app.command()
def show(
    sheet: Annotated[str | None, typer.Argument(metavar="[SHEET]", help="Which; the newest that was reviewed.")] = None,
    strict: Strict = False,  # noqa: FBT002
) -> None:
    """Say again what a review came to, by the labels that are there and the baseline of today.

    Examples:

        harness review show

    Exit codes: as of `import`.
    """
    from harness import api
    from harness.core.errors import StoreError
    from harness.monitor import sheets

    with api.project(reading=True) as (project, store):
        there = sheets.reviewed(store)
        if not (sheet or there):
            msg = f"no labels in {store.url} yet: `harness sample` draws replies, `harness review import` takes labels"
            raise StoreError(msg)
        _judge(project, store, sheet or there[0], strict=strict)


def _judge(project: Config, store: Store, sheet: str, *, strict: bool) -> None:
    from harness.analysis.compare import Verdict
    from harness.monitor import verdicts, words

    found = verdicts.review(project, store, sheet)
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
