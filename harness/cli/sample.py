"""`harness sample`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADING = "Act on it"
ORDER = 3

FOLDER = "reviews"


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

    from harness import api
    from harness.core.files import write
    from harness.core.formatting import plural, visible
    from harness.monitor import files, page, sheets, weeks
    from harness.monitor.kinds import labels_of
    from harness.store import traffic

    start, end = weeks.days(since, until.date() if until else None, datetime.now(UTC))
    with api.project(reading=True) as (project, store):
        tasks = _known(traffic.tasks(store), task or ())
        wanted = sheets.SampleRequest(start, end, per_task, seed, tuple(task or ()))
        sheet, drawn = sheets.draw(store, labels_of(project, tasks), wanted)
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
