"""`harness datasets`: check golden datasets and look at them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.datasets import Dataset
    from harness.types import Case

app = typer.Typer(help="Check golden datasets and look at them.", no_args_is_help=True)


def _load(names: list[str] | None) -> list[Dataset]:
    from harness import datasets
    from harness.config import load
    from harness.errors import DatasetError

    root = load().root
    wanted = names or datasets.names(root)
    if not wanted:
        msg = f"no datasets in {root / datasets.FOLDER}"
        raise DatasetError(msg)
    return [datasets.load(root, name) for name in wanted]


@app.command()
def validate(names: Annotated[list[str] | None, typer.Argument(help="Datasets; all if none is named.")] = None) -> None:
    """Check every row: ids, inputs, labels, tags, contradictions. Names file, line and field of what is wrong."""
    for dataset in _load(names):
        typer.echo(f"{dataset.name}: {len(dataset.cases)} cases are fine ({dataset.digest[:19]}…)")


@app.command()
def stats(names: Annotated[list[str] | None, typer.Argument(help="Datasets; all if none is named.")] = None) -> None:
    """Count cases by label, split and tag."""
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
    """Show its cases, a line each, or one of them whole."""
    from harness.errors import DatasetError
    from harness.report.text import visible

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
