"""`harness prompts`: show prompts, release them, create new versions."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.project.prompts import PromptLibrary

HEADING = "Prompts and datasets"
ORDER = 1

app = typer.Typer(help="Show prompts, release them, and create new versions.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The prompt's name, or name/version.")]


def _library() -> PromptLibrary:
    from harness.project.config import load
    from harness.project.prompts import PromptLibrary

    return PromptLibrary(load().root / "prompts")


@app.command("list")
def list_() -> None:
    """List all prompts with their versions, variants and variables, and whether they are released.

    Examples:

        harness prompts list

    Exit codes: 0 success, 2 usage or configuration error.
    """
    library = _library()
    released = library.locked()
    for name in library.names():
        for version in library.versions(name):
            prompt = library.load(f"{name}/{version}")
            state = "released" if prompt.id in released else "draft"
            variables = ", ".join(sorted(prompt.variables))
            typer.echo(f"{prompt.id:32} {state:9} {' + '.join(prompt.variants):16} takes {variables}")


@app.command()
def show(
    name: Name,
    variant: Annotated[list[str] | None, typer.Option(help="Render only this variant; repeatable.")] = None,
    case: Annotated[str | None, typer.Option(help="Id of the case. Default: the first case.")] = None,
    eval_name: Annotated[str | None, typer.Option("--eval", help="The eval whose dataset and labels to use.")] = None,
) -> None:
    """Render a prompt for one case, exactly as the model receives it.

    Examples:

        harness prompts show ticket_triage/v2 --variant local --case tt-004

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness import tasks
    from harness.core.errors import ConfigError
    from harness.core.formatting import visible
    from harness.project import datasets, evals
    from harness.project.config import load

    project = load()
    prompt = _library().load(name)
    users = [
        e for e in evals.find(project.root, [eval_name] if eval_name else []) if e.prompt.split("/")[0] == prompt.name
    ]
    if not users:
        msg = f"no eval uses prompt {prompt.name!r}: name one with --eval"
        raise ConfigError(msg)
    definition = users[0]
    cases = datasets.load(project.root, definition.dataset).cases
    chosen = next((c for c in cases if case is None or c.id == case), None)
    if chosen is None:
        msg = f"no case {case!r} in dataset {definition.dataset!r}: `harness datasets show {definition.dataset}`"
        raise ConfigError(msg)
    variables = tasks.task_of(definition).variables(chosen)
    for name_of_variant in variant or prompt.variants:
        typer.secho(f"── {prompt.id}/{name_of_variant} · case {chosen.id} · expected {chosen.expected}", bold=True)
        for message in prompt.variant(name_of_variant).render(variables):
            typer.secho(f"[{message.role}]", fg="cyan")
            typer.echo("\n".join(visible(line) for line in message.content.splitlines()))
        typer.echo()


@app.command()
def new(name: Annotated[str, typer.Argument(help="The prompt's name.")]) -> None:
    """Create a version to edit: a copy of the newest version, or v1 of a new prompt.

    Examples:

        harness prompts new ticket_triage

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.cli._common import print_note

    library = _library()
    known = library.names()
    folder = library.new(name)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        print_note(f"new prompt {name}{f' (did you mean {near[0]}?)' if near else ''}")
    typer.echo(f"{folder}: edit its files, then release them with `harness prompts lock {name}`")


@app.command()
def diff(
    name: Annotated[str, typer.Argument(help="The prompt's name.")],
    old: Annotated[str | None, typer.Argument(help="The older version. Default: the last but one.")] = None,
    new_version: Annotated[
        str | None, typer.Argument(metavar="NEW", help="The newer version. Default: the last.")
    ] = None,
) -> None:
    """Show the changes between two versions, variant by variant.

    Examples:

        harness prompts diff ticket_triage v1 v2

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.core.errors import PromptError

    library = _library()
    versions = library.versions(name)
    if len(versions) < 2 and not (old and new_version):
        library.load(name)
        msg = f"prompt {name!r} has one version: nothing to compare"
        raise PromptError(msg)
    before = library.load(name, version=old or versions[-2])
    after = library.load(name, version=new_version or versions[-1])
    for variant in sorted(before.variants.keys() | after.variants.keys()):
        older, newer = (p.variants[variant].source if variant in p.variants else "" for p in (before, after))
        old_name, new_name = (f"{p.id}/{variant}.j2" for p in (before, after))
        lines = difflib.unified_diff(older.splitlines(), newer.splitlines(), old_name, new_name, lineterm="")
        for line in list(lines) or [f"{new_name}: unchanged"]:
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            typer.secho(line, fg=colour)


@app.command()
def lock(names: Annotated[list[str] | None, typer.Argument(help="Names of prompts. Default: all.")] = None) -> None:
    """Release all draft versions. The text of a released version must never change.

    Examples:

        harness prompts lock ticket_triage/v2

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.cli._common import print_note

    library = _library()
    added = library.lock(names or ())
    for released in added:
        if original := library.unchanged_from(released):
            print_note(f"{released} has the same text as {original}: the copy was not edited")
    typer.echo("\n".join(f"released {released}" for released in added) or "nothing new to release")


@app.command()
def check() -> None:
    """Compile all prompts and compare released versions with their hashes, for CI and pre-commit.

    Examples:

        harness prompts check

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.core.formatting import plural

    library = _library()
    checked = [library.load(f"{name}/{version}") for name in library.names() for version in library.versions(name)]
    missing = library.locked().keys() - {prompt.id for prompt in checked}
    if missing:
        from harness.core.errors import PromptError

        msg = f"{', '.join(sorted(missing))} was released, but its files are missing: restore them from git"
        raise PromptError(msg)
    typer.echo(f"{plural(len(checked), 'prompt version')} valid")
