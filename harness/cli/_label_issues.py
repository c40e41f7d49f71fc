"""`harness datasets suspects`: the screen, and the CSV and JSONL files.

`COLUMNS` are the columns of the CSV and the keys of a JSONL line: `expected` is the label, `said` the answer that the
models agree on, `said_by` their cells, `inputs` the complete inputs of the case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.analysis import label_issues
from harness.analysis.label_issues import LabelIssue
from harness.analysis.metrics.summary import accuracy
from harness.analysis.stats import Rate
from harness.core.errors import ConfigError
from harness.core.formatting import inputs_text, one_line, plural, value_text, visible
from harness.core.plugins import task_capabilities
from harness.project import datasets
from harness.project.config import Config
from harness.project.evals import Eval
from harness.report.formats import csv
from harness.report.formats.json import dumps
from harness.report.label_text import group_text
from harness.report.rate_text import rate_text
from harness.runner import gate_checks

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.runner.project import Project

COLUMNS = ("eval", "case_id", "expected", "label_source", "said", "said_by", "why", "tags", "inputs")
SHOWN_INPUT = 60
SHOWN_ANSWER = 24


@dataclass(frozen=True, slots=True)
class LabelReview:
    """The suspects of one eval. `cells`: lenient accuracy of each cell; `notes`: limits of the result."""

    eval: str
    cells: tuple[tuple[str, Rate], ...]
    suspects: tuple[LabelIssue, ...]
    notes: tuple[str, ...]


def review(project: Project, definition: Eval, backends: Collection[str]) -> LabelReview:
    """Check the newest complete run of each cell on these backends. Cases edited since then are left out."""
    runs = [run for run in gate_checks.newest(project, definition, every=True) if run.manifest.backend in backends]
    own = [m.cell for m in (run.manifest for run in runs) if m.variant == project.config.backends[m.backend].variant]
    suspects = label_issues.find(runs, own)
    digests, notes = _current_digests(project.config, definition)
    current = [s for s in suspects if digests is None or digests.get(s.case.id) == s.case.digest]
    if not runs:
        notes.append(f"no complete run yet: start one with `harness run {definition.name}`")
    elif task_capabilities(definition.task).is_retrieval:
        notes.append("embeddings are not supported: vectors cannot agree")
    elif len({run.manifest.backend for run in runs}) < 2:
        notes.append("runs of one backend only: compares only its variants")
    if len(current) < len(suspects):
        notes.append(f"{plural(len(suspects) - len(current), 'case')} left out: edited or deleted since the run")
    rates = tuple((run.manifest.cell, accuracy(run.results).lenient) for run in runs)
    return LabelReview(definition.name, rates, tuple(current), tuple(notes))


def _current_digests(project: Config, definition: Eval) -> tuple[dict[str, str] | None, list[str]]:
    """Case id -> current digest; `None` and a note if the dataset cannot be read."""
    try:
        dataset = datasets.load(project.root, definition.dataset)
    except ConfigError as error:
        return None, [f"cannot check whether cases have changed: {error}"]
    return {case.id: case.digest for case in dataset.cases}, []


def screen(reviewed: LabelReview, limit: int) -> RenderableType:
    """A table of the first `limit` suspects, and the accuracy of each cell."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    n = len(reviewed.suspects)
    title = Text(f"{reviewed.eval}: {plural(n, 'case')} with suspect labels", style="bold")
    if not reviewed.cells:
        return title
    rates = ", ".join(f"{cell} {rate_text(rate)}" for cell, rate in reviewed.cells)
    facts = Text(
        visible(f"lenient accuracy: {rates}. With accurate models, a wrong label is more likely."), style="dim"
    )
    if not n:
        return Group(title, facts)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in ("case", "label", "labelled by", "models' answer", "agreeing", "inputs"):
        table.add_column(heading, overflow="fold")
    for s in reviewed.suspects[:limit]:
        expected, answer = (one_line(value_text(value), SHOWN_ANSWER) for value in (s.case.expected, s.answer))
        inputs = one_line(inputs_text(s.case.inputs), SHOWN_INPUT)
        cells = (s.case.id, expected, s.case.label_source, answer, ", ".join(map(group_text, s.groups)), inputs)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    more = [Text(f"and {n - limit:,} more: write all with -o FILE", style="dim")] if n > limit else []
    return Group(title, facts, table, *more)


def rows(reviews: Sequence[LabelReview]) -> Iterator[dict[str, Any]]:
    """One row per suspect, with the keys `COLUMNS`."""
    for reviewed in reviews:
        for s in reviewed.suspects:
            case = s.case
            values = (
                case.expected,
                case.label_source,
                s.answer,
                list(s.cells),
                "; ".join(map(group_text, s.groups)),
                list(case.tags),
            )
            yield dict(zip(COLUMNS, (reviewed.eval, case.id, *values, inputs_text(case.inputs)), strict=True))


def as_csv(reviews: Sequence[LabelReview]) -> str:
    """CSV with formulas disabled."""
    return csv.table(COLUMNS, (row.values() for row in rows(reviews)))


def as_jsonl(reviews: Sequence[LabelReview]) -> str:
    """One JSON object per line."""
    return "".join(f"{dumps(row)}\n" for row in rows(reviews))


FORMATS: Mapping[str, Callable[[Sequence[LabelReview]], str]] = {".csv": as_csv, ".jsonl": as_jsonl}
"""File ending -> formatter."""
