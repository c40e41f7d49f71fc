"""`harness datasets`: check and inspect golden datasets."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.analysis.compare import Comparison
    from harness.core.types import Case
    from harness.project.datasets import Dataset
    from harness.project.evals import Eval
    from harness.runner.project import Project

HEADING = "Prompts and datasets"
ORDER = 2

_ASKED = {
    "licence": "licence is missing: say who may use the cases, or write private = true",
    "label_source": "label_source is missing: say who labelled the cases (author, human, the name of a model)",
}

app = typer.Typer(help="Check and inspect golden datasets.", no_args_is_help=True)


def _load(names: list[str] | None) -> list[Dataset]:
    from harness.project import datasets

    root, selected = _selected(names)
    return [datasets.load(root, name) for name in selected]


def _selected(names: list[str] | None) -> tuple[Path, list[str]]:
    """The project's folder, and the named datasets or all of them."""
    from harness.core.errors import DatasetError
    from harness.project import datasets
    from harness.project.config import load

    root = load().root
    selected = names or datasets.names(root)
    if not selected:
        msg = f"no datasets in {root / datasets.FOLDER}"
        raise DatasetError(msg)
    return root, selected


@app.command()
def validate(
    names: Annotated[list[str] | None, typer.Argument(help="Names of datasets. Default: all datasets.")] = None,
    near: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--near/--no-near", help="Also find texts that are almost equal."),
    ] = True,
) -> None:
    """Check every row: ids, inputs, labels, tags, contradictions, duplicates. An error names the file, line and field.

    Duplicates within a split are warnings: copies prove nothing. A text that is in two splits is an error. A card
    without `licence` or `label_source` is a note.

    Examples:

        harness datasets validate
        harness datasets validate ticket_triage

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.cli import _dataset_duplicates
    from harness.cli._common import print_note, print_warning
    from harness.core.errors import DatasetError
    from harness.core.formatting import plural
    from harness.project import datasets
    from harness.project.dataset_sources import unread_columns

    root, selected = _selected(names)
    leaks: list[str] = []
    for name in selected:
        dataset, places = datasets.load_with_places(root, name)
        review = _dataset_duplicates.review(dataset, places, near=near)
        leaks += review.leaks
        if not review.leaks:
            typer.echo(f"{dataset.name}: {plural(len(dataset.cases), 'case')} valid ({dataset.digest[:19]}…)")
        for line in review.sizes:
            typer.echo(f"  {line}")
        for line in review.warnings:
            print_warning(line)
        if unread := unread_columns(dataset.card, str(dataset.path)):
            print_note(f"{dataset.path}: columns that are not read: {', '.join(unread)}")
        for key in dataset.card.missing:
            print_note(f"{root / datasets.FOLDER / name / datasets.CARD}: {_ASKED[key]}")
    if leaks:
        raise DatasetError("\n".join(leaks))


@app.command()
def stats(
    names: Annotated[list[str] | None, typer.Argument(help="Names of datasets. Default: all datasets.")] = None,
) -> None:
    """Count cases by label, split and tag.

    Examples:

        harness datasets stats ticket_triage

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.core.formatting import plural

    for dataset in _load(names):
        cases = dataset.cases
        card = dataset.card
        typer.secho(f"{dataset.name}: {dataset.card.description}", bold=True)
        licence = card.licence or ("private" if card.private else "not stated")
        typer.echo(f"  {plural(len(cases), 'case')}, licence {licence}, labels by {card.label_source or 'not stated'}")
        splits = sorted({case.split for case in cases})
        for split in splits:
            in_split = [case for case in cases if case.split == split]
            typer.echo(f"  {split or 'no split'}: {len(in_split)}")
            typer.echo(f"    expected  {_expected(in_split)}")
            typer.echo(f"    tags      {_counts(tag for case in in_split for tag in case.tags) or 'none'}")


def _expected(cases: Sequence[Case]) -> str:
    """Counts of the expected labels; the number of different answers if they are no labels."""
    if all(isinstance(case.expected, str) for case in cases):
        return _counts(case.expected for case in cases)
    return f"{len({json.dumps(case.expected, sort_keys=True) for case in cases})} different answers"


def _counts(values: Iterable[str], most: int = 20) -> str:
    return "  ".join(f"{value} {count}" for value, count in Counter(values).most_common(most))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    case_id: Annotated[str | None, typer.Argument(metavar="CASE", help="Show this case completely.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many cases.")] = 20,
) -> None:
    """Show the cases of a dataset, one line each, or one case completely.

    Examples:

        harness datasets show ticket_triage --limit 20
        harness datasets show ticket_triage tt-004

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.core.errors import DatasetError
    from harness.core.formatting import visible

    (dataset,) = _load([name])
    if case_id is None:
        for case in dataset.cases[:limit]:
            text = " ".join(str(value) for value in case.inputs.values())
            typer.echo(visible(f"{case.id:12} {case.expected!s:12} {' '.join(text.split())[:90]}"))
        return
    selected = next((case for case in dataset.cases if case.id == case_id), None)
    if selected is None:
        msg = f"no case {case_id!r} in {dataset.path}"
        raise DatasetError(msg)
    typer.echo(f"id        {selected.id}\nexpected  {selected.expected}")
    typer.echo(f"tags      {' '.join(selected.tags)}\nsplit     {selected.split}")
    for variable, value in selected.inputs.items():
        typer.echo(f"\n[{variable}]\n" + "\n".join(visible(line) for line in str(value).splitlines()))


@app.command()
def power(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    split: Annotated[
        str | None,
        typer.Option(help="A split, or `all`. Default: the eval's, else `test` if it exists."),
    ] = None,
    eval_name: Annotated[
        str | None, typer.Option("--eval", help="Also use the measured difference of the pair's runs of this eval.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Compute what a dataset can prove before you run it. Sends no requests.

    Shows the smallest margin and the smallest drop that its cases can show, and what more cases would gain.

    Examples:

        harness datasets power ticket_triage --eval ticket_triage
    """
    from harness.cli import _dataset_power
    from harness.cli._common import console
    from harness.core.errors import ConfigError
    from harness.project import evals
    from harness.runner.project import Project

    (dataset,) = _load([name])
    measured: Comparison | None = None
    split_name = split or ("test" if "test" in dataset.splits else "all")
    if eval_name:
        with Project.open(read_only=True) as project:
            (definition,) = evals.find(project.root, [eval_name])
            if definition.dataset != name:
                msg = f"eval {definition.name} is over dataset {definition.dataset!r}, not {name!r}"
                raise ConfigError(msg)
            split_name = split or (definition.split if dataset.splits and definition.split else "all")
            measured = _pair(project, definition)
    cases = [case for case in dataset.select(None if split_name == "all" else split_name) if case.expected is not None]
    figures = _dataset_power.figures(name, split_name if dataset.splits else "", cases, measured)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    for part in _dataset_power.screen(figures):
        console().print(part, markup=False, soft_wrap=True) if isinstance(part, str) else console().print(part)
    if eval_name and measured is None:
        typer.echo(f"\nNothing measured yet: {eval_name} has no complete runs of both backends of [pair].")


def _pair(project: Project, definition: Eval) -> Comparison | None:
    """The newest runs of reference and candidate, compared over the cases that both have."""
    from harness.analysis.compare import ComparisonQuestion, compare, outcomes_of
    from harness.runner import gate_checks

    runs = {run.manifest.backend: run for run in gate_checks.newest(project, definition)}
    if project.config.pair is None or not {project.config.pair.reference, project.config.pair.candidate} <= runs.keys():
        return None
    base, head = (
        outcomes_of(runs[backend]) for backend in (project.config.pair.reference, project.config.pair.candidate)
    )
    return compare(base, head, ComparisonQuestion("move"), shared=True)


@app.command()
def suspects(
    eval_name: Annotated[str | None, typer.Argument(metavar="EVAL", help="The eval. Default: all evals.")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="Use runs of this backend; repeatable. Default: as `harness run`."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Show at most this many cases per eval. Files have all cases.")
    ] = 20,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write all cases to this file: .csv .jsonl; repeatable."),
    ] = None,
) -> None:
    """List cases whose label may be wrong, because models agree on another answer. Sends no requests.

    A case is listed in two situations: all backends, each with its own variant, give the same wrong answer; or one
    backend gives the same wrong answer with every variant. Uses the newest runs and the lenient reading.

    Examples:

        harness datasets suspects ticket_triage
        harness datasets suspects -o review.csv
    """
    from harness.cli import _label_issues
    from harness.cli._common import console, print_note
    from harness.core.files import write
    from harness.project import evals
    from harness.report.write import check_ending
    from harness.runner.project import Project

    for path in output or ():
        check_ending(path, tuple(_label_issues.FORMATS))
    with Project.open(read_only=True) as project:
        for name in backend or ():
            project.config.backend(name)
        definitions = evals.find(project.root, [eval_name] if eval_name else [])
        reviews = [
            _label_issues.review(project, definition, backend or project.config.usual) for definition in definitions
        ]
    for review in reviews:
        console().print(_label_issues.screen(review, limit))
        for line in review.notes:
            print_note(f"{review.eval}: {line}")
    for path in output or ():
        write(_label_issues.FORMATS[path.suffix.lower()](reviews), path)
        typer.echo(f"suspects: {path}")
