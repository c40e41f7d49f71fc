"""What `datasets suspects` shows and writes.

The keys of a line of JSONL and the columns of the CSV are `COLUMNS`: `expected` is the label, `said` what the models
agree on, `said_by` their cells, `inputs` the case's inputs, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.analysis import label_issues as found_by
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
from harness.report.rate_text import rate_text
from harness.runner import gate_checks
from harness.runner.project import Project

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("eval", "case_id", "expected", "label_source", "said", "said_by", "why", "tags", "inputs")
SHOWN_INPUT = 60
SHOWN_ANSWER = 24


@dataclass(frozen=True, slots=True)
class LabelReview:
    """The suspects of one eval. `cells`: how often each is right by the lenient reading; `notes`: what to know."""

    eval: str
    cells: tuple[tuple[str, Rate], ...]
    suspects: tuple[LabelIssue, ...]
    notes: tuple[str, ...]


def review(project: Project, definition: Eval, backends: Collection[str]) -> LabelReview:
    """Look at the newest whole run of each cell on these backends. Cases that were edited since are left out."""
    runs = [run for run in gate_checks.newest(project, definition, every=True) if run.manifest.backend in backends]
    own = [m.cell for m in (run.manifest for run in runs) if m.variant == project.config.backends[m.backend].variant]
    suspects = found_by.find(runs, own)
    today, notes = _today(project.config, definition)
    current = [s for s in suspects if today is None or today.get(s.case.id) == s.case.digest]
    if not runs:
        notes.append(f"no whole run yet: `harness run {definition.name}` makes some")
    elif task_capabilities(definition.task).is_retrieval:
        notes.append("a vector is no answer that could agree with another")
    elif len({run.manifest.backend for run in runs}) < 2:
        notes.append("runs of one backend only, so that no backends can agree: its variants are all there is")
    if len(current) < len(suspects):
        notes.append(f"{plural(len(suspects) - len(current), 'case')} left out: edited since, or no longer there")
    rates = tuple((run.manifest.cell, accuracy(run.results).lenient) for run in runs)
    return LabelReview(definition.name, rates, tuple(current), tuple(notes))


def _today(found: Config, definition: Eval) -> tuple[dict[str, str] | None, list[str]]:
    """The cases as they are now; `None` and a note where the dataset cannot be read."""
    try:
        dataset = datasets.load(found.root, definition.dataset)
    except ConfigError as error:
        return None, [f"the cases may have changed since: {error}"]
    return {case.id: case.digest for case in dataset.cases}, []


def shown(reviewed: LabelReview, limit: int) -> RenderableType:
    """The first `limit` as a table, and how good those are who say so."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    n = len(reviewed.suspects)
    title = Text(f"{reviewed.eval}: {plural(n, 'case')} to look at", style="bold")
    if not reviewed.cells:
        return title
    right = ", ".join(f"{cell} {rate_text(rate)}" for cell, rate in reviewed.cells)
    facts = Text(visible(f"lenient accuracy: {right}. The better they are, the likelier it is the label."), style="dim")
    if not n:
        return Group(title, facts)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in ("case", "label", "by", "they say", "who agrees", "inputs"):
        table.add_column(heading, overflow="fold")
    for s in reviewed.suspects[:limit]:
        expected, said = (one_line(value_text(value), SHOWN_ANSWER) for value in (s.case.expected, s.answer))
        inputs = one_line(inputs_text(s.case.inputs), SHOWN_INPUT)
        cells = (s.case.id, expected, s.case.label_source, said, ", ".join(s.why), inputs)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    more = [Text(f"and {n - limit:,} more: -o writes all", style="dim")] if n > limit else []
    return Group(title, facts, table, *more)


def rows(reviews: Sequence[LabelReview]) -> Iterator[dict[str, Any]]:
    """A row for each suspect; the keys are `COLUMNS`, in that order."""
    for reviewed in reviews:
        for s in reviewed.suspects:
            case = s.case
            asked = (case.expected, case.label_source, s.answer, list(s.cells), "; ".join(s.why), list(case.tags))
            yield dict(zip(COLUMNS, (reviewed.eval, case.id, *asked, inputs_text(case.inputs)), strict=True))


def as_csv(reviews: Sequence[LabelReview]) -> str:
    """A table for a spreadsheet, in which nothing runs."""
    return csv.table(COLUMNS, (row.values() for row in rows(reviews)))


def as_jsonl(reviews: Sequence[LabelReview]) -> str:
    """A line each."""
    return "".join(f"{dumps(row)}\n" for row in rows(reviews))


FORMATS: Mapping[str, Callable[[Sequence[LabelReview]], str]] = {".csv": as_csv, ".jsonl": as_jsonl}
"""File ending -> what writes it."""
