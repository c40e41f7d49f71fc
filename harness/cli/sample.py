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
    since: Annotated[
        str, typer.Option(metavar="7d|2w|YYYY-MM-DD", help="Start of the sample, in whole days (UTC).")
    ] = "7d",
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last day of the sample. Default: today."),
    ] = None,
    per_task: Annotated[int, typer.Option("--per-task", min=1, help="Number of replies per task.")] = 100,
    task: Annotated[list[str] | None, typer.Option("--task", help="Sample only this task; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed: the same calls and seed give the same sample.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Path without ending. Default: reviews/SHEET.")
    ] = None,
) -> None:
    """Draw a stratified sample of logged production replies for human review.

    Writes a review sheet twice: as an HTML page for labelling with the keyboard, and as CSV. A stratum is a reply label
    and a backend; each stratum gives at least two replies.

    Needs logged texts: `[log] texts = true` in harness.toml. The files hold customer data, so their folder is
    git-ignored.

    Examples:

        harness sample --since 7d --per-task 100
        harness sample --since 2026-11-16 --until 2026-11-22 -o reviews/w47
    """
    from datetime import UTC

    from harness.core.files import write
    from harness.core.formatting import plural, visible
    from harness.monitor import label_files, label_page, sheets, weeks
    from harness.monitor.task_labels import labels_of
    from harness.runner.project import Project
    from harness.store import traffic

    start, end = weeks.days(since, until.date() if until else None, datetime.now(UTC))
    with Project.open(read_only=True) as project:
        tasks = _known_tasks(traffic.tasks(project.store), task or ())
        request = sheets.SampleRequest(start, end, per_task, seed, tuple(task or ()))
        sheet, drawn = sheets.draw(project.store, labels_of(project.config, tasks), request)
        stem = output or project.root / FOLDER / sheet.sheet
    if stem.suffix in {".html", ".csv"}:
        stem = stem.with_suffix("")
    _make_git_ignored(stem.parent)
    paths = [stem.with_name(f"{stem.name}{ending}") for ending in (".html", ".csv")]
    write(label_page.render(sheet, drawn), paths[0])
    write(label_files.csv_of(sheet, drawn), paths[1])
    typer.echo(
        f"sheet {sheet.sheet}: {plural(len(drawn), 'reply', 'replies')} from {start[:10]} to {weeks.last_day(end)}"
    )
    for name in dict.fromkeys(item.call.task for item in drawn):
        strata = {item.stratum: item.size for item in drawn if item.call.task == name}
        n = sum(item.call.task == name for item in drawn)
        typer.echo(
            visible(f"  {name}: {n:,} of {sum(strata.values()):,} calls, {plural(len(strata), 'stratum', 'strata')}")
        )
    for path in paths:
        typer.echo(f"sheet: {path}")


def _known_tasks(logged: Sequence[str], selected: Sequence[str]) -> Sequence[str]:
    """The tasks to sample.

    Raises:
        ConfigError: A selected task has no calls.
    """
    from harness.core.errors import ConfigError
    from harness.core.toml import hint

    for name in selected:
        if logged and name not in logged:
            msg = f"no calls of {name!r} are logged{hint(name, logged)}"
            raise ConfigError(msg)
    return selected or logged


def _make_git_ignored(folder: Path) -> None:
    """A new folder ignores its own content: replies hold customer data."""
    from harness.core.files import write

    if not folder.exists():
        write("*\n", folder / ".gitignore")
