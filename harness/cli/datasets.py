"""`harness datasets`: check golden datasets and look at them."""

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

app = typer.Typer(help="Check golden datasets and look at them.", no_args_is_help=True)


def _load(names: list[str] | None) -> list[Dataset]:
    from harness.core.errors import DatasetError
    from harness.project import datasets
    from harness.project.config import load

    root = load().root
    wanted = names or datasets.names(root)
    if not wanted:
        msg = f"no datasets in {root / datasets.FOLDER}"
        raise DatasetError(msg)
    return [datasets.load(root, name) for name in wanted]


@app.command()
def validate(names: Annotated[list[str] | None, typer.Argument(help="Datasets; all if none is named.")] = None) -> None:
    """Check every row: ids, inputs, labels, tags, contradictions. Names file, line and field of what is wrong.

    Examples:

        harness datasets validate
        harness datasets validate ticket_triage
    """
    for dataset in _load(names):
        typer.echo(f"{dataset.name}: {len(dataset.cases)} cases are fine ({dataset.digest[:19]}…)")


@app.command()
def stats(names: Annotated[list[str] | None, typer.Argument(help="Datasets; all if none is named.")] = None) -> None:
    """Count cases by label, split and tag.

    Examples:

        harness datasets stats ticket_triage
    """
    for dataset in _load(names):
        cases = dataset.cases
        typer.secho(f"{dataset.name}: {dataset.card.description}", bold=True)
        typer.echo(f"  {len(cases)} cases, licence {dataset.card.licence}, labels by {dataset.card.label_source}")
        splits = sorted({case.split for case in cases})
        for split in splits:
            chosen = [case for case in cases if case.split == split]
            typer.echo(f"  {split or 'no split'}: {len(chosen)}")
            typer.echo(f"    expected  {_expected(chosen)}")
            typer.echo(f"    tags      {_counted(tag for case in chosen for tag in case.tags) or 'none'}")


def _expected(cases: Sequence[Case]) -> str:
    """How often each answer is expected, where answers are labels; else how many there are."""
    if all(isinstance(case.expected, str) for case in cases):
        return _counted(case.expected for case in cases)
    return f"{len({json.dumps(case.expected, sort_keys=True) for case in cases})} different answers"


def _counted(values: Iterable[str], most: int = 20) -> str:
    return "  ".join(f"{value} {count}" for value, count in Counter(values).most_common(most))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    case_id: Annotated[str | None, typer.Argument(metavar="[CASE]", help="One case, whole.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 20,
) -> None:
    """Show its cases, a line each, or one of them whole.

    Examples:

        harness datasets show ticket_triage --limit 20
        harness datasets show ticket_triage tt-004
    """
    from harness.core.errors import DatasetError
    from harness.core.formatting import visible

    (dataset,) = _load([name])
    if case_id is None:
        for case in dataset.cases[:limit]:
            text = " ".join(str(value) for value in case.inputs.values())
            typer.echo(visible(f"{case.id:12} {case.expected!s:12} {' '.join(text.split())[:90]}"))
        return
    found = next((case for case in dataset.cases if case.id == case_id), None)
    if found is None:
        msg = f"no case {case_id!r} in {dataset.path}"
        raise DatasetError(msg)
    typer.echo(
        f"id        {found.id}\nexpected  {found.expected}\ntags      {' '.join(found.tags)}\nsplit     {found.split}"
    )
    for variable, value in found.inputs.items():
        typer.echo(f"\n[{variable}]\n" + "\n".join(visible(line) for line in str(value).splitlines()))


@app.command()
def power(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    split: Annotated[
        str | None,
        typer.Option(help="One split, `all` for every case. Default: the eval's, else `test` if there is one."),
    ] = None,
    eval_name: Annotated[
        str | None, typer.Option("--eval", help="Also by how much the pair's runs of this eval differed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Say what its cases can show before anything is run: the smallest margin, the smallest drop, what more would buy.

    Examples:

        harness datasets power ticket_triage --eval ticket_triage
    """
    from harness.cli import _power
    from harness.cli._common import console
    from harness.core.errors import ConfigError
    from harness.project import evals
    from harness.runner.project import Project

    (dataset,) = _load([name])
    measured: Comparison | None = None
    chosen = split or ("test" if "test" in dataset.splits else "all")
    if eval_name:
        with Project.open(read_only=True) as project:
            (definition,) = evals.find(project.root, [eval_name])
            if definition.dataset != name:
                msg = f"eval {definition.name} is over dataset {definition.dataset!r}, not {name!r}"
                raise ConfigError(msg)
            chosen = split or (definition.split if dataset.splits and definition.split else "all")
            measured = _pair(project, definition)
    cases = [case for case in dataset.select(None if chosen == "all" else chosen) if case.expected is not None]
    told = _power.figures(name, chosen if dataset.splits else "", cases, measured)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    for part in _power.words(told):
        console().print(part, markup=False, soft_wrap=True) if isinstance(part, str) else console().print(part)
    if eval_name and measured is None:
        typer.echo(f"\nNothing measured yet: there are no whole runs of {eval_name} by both of the [pair].")


def _pair(project: Project, definition: Eval) -> Comparison | None:
    """The newest own runs of reference and candidate beside each other, over the cases that both have."""
    from harness.analysis.compare import ComparisonQuestion, compare, outcomes_of
    from harness.runner import gate_checks

    runs = {run.manifest.backend: run for run in gate_checks.newest(project, definition)}
    pair = project.config.pair
    if pair is None or not {pair.reference, pair.candidate} <= runs.keys():
        return None
    base, head = (outcomes_of(runs[backend]) for backend in (pair.reference, pair.candidate))
    return compare(base, head, ComparisonQuestion("move"), shared=True)


@app.command()
def suspects(
    eval_name: Annotated[str | None, typer.Argument(metavar="[EVAL]", help="One eval; all if none is named.")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend", "-b", help="Among these backends; repeatable. Default: those that are asked by default."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many of an eval; files have all.")] = 20,
    output: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="Write them: .csv .jsonl; repeatable.")
    ] = None,
) -> None:
    """List cases whose label may be wrong, for review: where models agree with each other against it. Asks no model.

    A case is listed where the newest runs of all backends, each with its own variant, give the same wrong answer, and
    where one backend gives the same wrong answer to every variant. Answers are the lenient reading.

    Examples:

        harness datasets suspects ticket_triage
        harness datasets suspects -o review.csv
    """
    from harness.cli import _suspects
    from harness.cli._common import console, note
    from harness.core.files import write
    from harness.project import evals
    from harness.report.write import check_ending
    from harness.runner.project import Project

    for path in output or ():
        check_ending(path, tuple(_suspects.FORMATS))
    with Project.open(read_only=True) as project:
        for name in backend or ():
            project.config.backend(name)
        definitions = evals.find(project.root, [eval_name] if eval_name else [])
        reviews = [_suspects.review(project, definition, backend or project.config.usual) for definition in definitions]
    for review in reviews:
        console().print(_suspects.shown(review, limit))
        for line in review.notes:
            note(f"{review.eval}: {line}")
    for path in output or ():
        write(_suspects.FORMATS[path.suffix.lower()](reviews), path)
        typer.echo(f"suspects: {path}")
