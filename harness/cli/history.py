"""`harness history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

    from harness.analysis.compare import Comparison
    from harness.analysis.trend import Point, Trend
    from harness.core.types import Manifest
    from harness.runner.project import Project

HEADING = "Evaluate"
ORDER = 5

DIGEST_CHARS = 8
"""Shown characters of a model's digest."""

SHOWN_POINTS = 10
"""Runs of a trend whose scores are listed, unless `--limit` says how many."""


def history(
    eval_name: Annotated[
        str | None, typer.Argument(metavar="EVAL", help="Show the trend of this eval's cells. Default: list runs.")
    ] = None,
    cell: Annotated[str | None, typer.Option(help="Only this cell, such as local@mistral-q4.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag, such as weekly.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Show at most this many runs (of a trend: points).")
    ] = None,
) -> None:
    """List saved runs with their scores, newest first, or show the trend of each cell of an eval. Sends no requests.

    Each run has its strict accuracy with a 95% interval, the share of replies in the right format, the number of judged
    cases, and the start of the digest of the model.

    A trend shows strict accuracy from run to run. It compares the newest run with the run before, and names the last
    change. Only complete runs over the whole split count. The newest 10 runs are listed, or as many as --limit.

    Below, a table shows routed production calls: backends, reasons for fallbacks, and cost (docs/routing.md).

    Examples:

        harness history                  # lists the newest 20 runs
        harness history ticket_triage    # shows the trend of its cells
        harness history ticket_triage --cell local@mistral-q4 --tag weekly -n 12
    """
    from harness.analysis.trend import NEWEST
    from harness.cli import _traffic as traffic
    from harness.cli._common import console
    from harness.project import evals
    from harness.runner.project import Project
    from harness.store.run_query import RunQuery

    with Project.open(read_only=True) as project:
        listed = (limit or 20) if eval_name is None else None
        tags = () if tag is None else (tag,)
        runs = project.store.manifests(RunQuery(eval=eval_name, cell=cell, tags=tags, limit=listed))
        routed = traffic.show(project.store, eval_name) if cell is None and tag is None else None
        if not runs and routed is None:
            if eval_name is not None:
                evals.find(project.root, [eval_name])  # raises for an unknown name, which is probably a typo
            filters = [
                repr(eval_name) if eval_name else "",
                f"cell {cell!r}" if cell else "",
                f"tag {tag!r}" if tag else "",
            ]
            wanted = ", ".join(filter(None, filters))
            console().print(
                f"no runs {f'of {wanted}' if wanted else 'yet'}: start one with `harness run`", markup=False
            )
        elif runs and eval_name is None:
            console().print(_run_table(project, runs), "")
        elif runs:
            console().print(_trends(project, runs, limit or NEWEST, limit or SHOWN_POINTS))
        if routed is not None:
            console().print(routed)


def _run_table(project: Project, runs: Sequence[Manifest]) -> RenderableType:
    """A row per run with its scores. Columns without a value are left out."""
    from harness.analysis.trend import point_of
    from harness.core.formatting import NOTHING, percent
    from harness.report.rate_text import rate_text
    from harness.report.terminal_table import TerminalTable
    from harness.store.tallies import tallies

    finished = [m for m in runs if m.finished_at is not None]
    counted = tallies(project.store, finished)
    points = {m.run_id: point_of(m, counted[m.run_id]) for m in finished}
    optional = {
        "errors": any(point.n_errors for point in points.values()),
        "tags": any(m.tags for m in runs),
        "state": len(finished) < len(runs),
    }
    shown = [heading for heading, is_shown in optional.items() if is_shown]
    dated = all(m.run_id.startswith(m.started_at[:10].replace("-", "")) for m in runs)  # ids of imports may not be
    headings = ["run", *([] if dated else ["date"]), "eval", "cell", "prompt", "strict", "format", "n", "model", *shown]
    names = ["eval", "cell", "prompt", "model", "tags", "state"]
    table = TerminalTable(*headings, names=[name for name in names if name in headings], left=["run", "date"])
    for m in runs:
        point = points.get(m.run_id)
        compliance = point.compliance if point else None
        cells = {
            "run": m.run_id,
            "date": m.started_at[:10],
            "eval": m.eval,
            "cell": m.cell,
            "prompt": m.prompt.removeprefix(f"{m.eval}/"),
            "strict": rate_text(point.strict) if point else NOTHING,
            "format": percent(compliance.hits, compliance.n) if compliance and compliance.n else NOTHING,
            "n": f"{point.strict.n if point else m.n_cases:,}",
            "model": _model(m),
            "errors": f"{point.n_errors:,}" if point else NOTHING,
            "tags": ", ".join(m.tags),
            "state": "finished" if m.finished_at else "not finished: --resume",
        }
        table.add(*(cells[heading] for heading in headings))
    return table


def _model(m: Manifest) -> str:
    """Quantization and the start of the digest of the weights; without a digest, the model's name."""
    name, quantization = (m.fingerprint.get(part, "") for part in ("model", "quantization"))
    digest = _digest(m)
    return " ".join(filter(None, (quantization, digest) if digest else (name, quantization)))


def _digest(m: Manifest) -> str:
    return m.fingerprint.get("model_digest", "").rpartition(":")[2][:DIGEST_CHARS]


def _points(trend: Trend, newest: int) -> RenderableType:
    """The scores of the newest runs of a trend, the newest first."""
    from harness.core.formatting import NOTHING, percent
    from harness.report.comparison_text import changes_text
    from harness.report.rate_text import rate_text
    from harness.report.terminal_table import TerminalTable

    shown = trend.points[: -newest - 1 : -1]
    changed = ["changed"] if any(point.changed for point in shown) else []
    digests = ["digest"] if any(_digest(point.manifest) for point in shown) else []
    headings = ("date", "run", "strict", "format", "n", *digests, *changed)
    table = TerminalTable(*headings, names=changed, left=["date", "run", *digests], indent=2)
    for point in shown:
        compliance = point.compliance
        table.add(
            _day(point),
            point.manifest.run_id,
            rate_text(point.strict),
            percent(compliance.hits, compliance.n) if compliance.n else NOTHING,
            f"{point.strict.n:,}",
            *([_digest(point.manifest)] if digests else []),
            *([changes_text(point.changed) if point.changed else ""] if changed else []),
        )
    return table


def _trends(project: Project, runs: Sequence[Manifest], newest: int, listed: int) -> RenderableType:
    """All trends of one eval, and the number of its runs that are in no trend."""
    from rich.console import Group
    from rich.text import Text

    from harness.analysis.trend import is_point, trends
    from harness.core.formatting import plural, visible
    from harness.store import tallies as history

    all_trends = trends(runs, lambda manifests: history.tallies(project.store, manifests), newest)
    parts: list[RenderableType] = [Text(visible(runs[0].eval), style="bold")]
    splits = {trend.split for trend in all_trends}
    for trend in all_trends:
        parts += [_trend(project, trend, split=len(splits) > 1), _points(trend, listed), Text("")]
    if left_out := sum(not is_point(m) for m in runs):
        reasons = "sample, replay or unfinished"
        parts.append(
            Text(f"{plural(left_out, 'run')} not in a trend ({reasons}): listed by `harness history`", style="dim")
        )
    return Group(*parts)


def _trend(project: Project, trend: Trend, *, split: bool) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from harness.analysis.trend import sparkline
    from harness.core.formatting import plural, visible
    from harness.report.rate_text import rate_text

    newest = trend.points[-1]
    name = f"{trend.cell} ({trend.split})" if split else trend.cell
    head = Text.assemble(
        (visible(name), "bold"),
        ("  ", ""),
        (sparkline([point.strict for point in trend.points], _blocks()), "cyan"),
        ("  ", ""),
        (rate_text(newest.strict), "bold"),
        (f" strict accuracy of {plural(newest.strict.n, 'case')}", ""),
    )
    facts = Table(box=None, padding=(0, 2, 0, 2), pad_edge=True, show_header=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for word, text in _facts(project, trend):
        facts.add_row(word, text)
    return Group(head, facts)


def _facts(project: Project, trend: Trend) -> list[tuple[str, Text]]:
    from rich.text import Text

    from harness.core.formatting import plural, visible
    from harness.core.types import RunOrigin

    first, newest = trend.points[0], trend.points[-1]
    when = f"{plural(len(trend.points), 'run')}, {_day(first)} to {_day(newest)}"
    rows = [("runs", Text(visible(f"{when}, the newest {newest.manifest.run_id}{_tags(newest)}")))]
    for origin in (RunOrigin.RESCORED, RunOrigin.IMPORTED):
        if marked := [point.manifest.run_id for point in trend.points if point.manifest.origin is origin]:
            more = f" and {len(marked) - 3} more" if len(marked) > 3 else ""
            rows.append((origin.value, Text(visible(", ".join(marked[-3:]) + more))))
    if newest.n_errors:
        rows.append(("errors", Text(f"{plural(newest.n_errors, 'call')} of the newest run failed", style="red")))
    if len(trend.points) > 1:
        rows.append((f"since {_day(trend.points[-2])}", _since(_compare_last_two(project, trend))))
    return [*rows, ("changed last", Text(visible(_last_change(trend))))]


def _since(c: Comparison) -> Text:
    from rich.text import Text

    from harness.analysis.compare import Verdict
    from harness.analysis.compare.verdicts import UNDECIDED
    from harness.core.formatting import visible
    from harness.report.verdict_text import reason_text

    colour = "red" if c.verdict is Verdict.REGRESSED else "yellow" if c.verdict in UNDECIDED else "green"
    return Text.assemble((c.verdict.value, f"bold {colour}"), f"  {visible(reason_text(c))}")


def _compare_last_two(project: Project, trend: Trend) -> Comparison:
    from harness.analysis.compare import compare, outcomes_of
    from harness.runner.questions import question

    before, newest = (outcomes_of(project.store.with_results(point.manifest)) for point in trend.points[-2:])
    return compare(before, newest, question(project, trend.eval, "change"))


def _last_change(trend: Trend) -> str:
    from harness.report.comparison_text import changes_text

    point = trend.last_change
    if point is None:
        return "no change in the fingerprints"
    return f"{changes_text(point.changed)}, {_day(point)} ({point.manifest.run_id})"


def _blocks() -> str:
    """The characters of a sparkline: blocks if the encoding of standard output has them, else ASCII."""
    import sys

    from harness.analysis.trend import ASCII, BLOCKS

    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def _day(point: Point) -> str:
    return point.manifest.started_at[:10]


def _tags(point: Point) -> str:
    return f", tagged {', '.join(point.manifest.tags)}" if point.manifest.tags else ""
