"""`harness init`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.project.starter_files import Written

HEADING = "Start"
ORDER = 1


class TaskKind(StrEnum):
    """Values of `--task`."""

    CLASSIFICATION = "classification"
    EXTRACTION = "extraction"
    SUMMARIZATION = "summarization"
    MODERATION = "moderation"
    EMBEDDING = "embedding"
    TOOL_CALLING = "tool_calling"


class ProviderName(StrEnum):
    """Values of `--provider`."""

    LLAMACPP = "llamacpp"
    OLLAMA = "ollama"
    VLLM = "vllm"
    OPENAI = "openai"


class CiService(StrEnum):
    """Values of `--ci`."""

    GITHUB = "github"


def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the project. Default: the current folder.")] = Path(),
    task: Annotated[TaskKind, typer.Option(help="The kind of task of the first eval.")] = TaskKind.CLASSIFICATION,
    provider: Annotated[
        ProviderName | None,
        typer.Option(
            help="Where the candidate runs. llamacpp: embedded. openai: any server with OpenAI's protocol. "
            "Default: llamacpp."
        ),
    ] = None,
    ci: Annotated[
        CiService | None, typer.Option(help="Also write a workflow: gates on pull requests, and weekly.")
    ] = None,
) -> None:
    """Create a small project that runs: an eval, a prompt pair, a golden dataset and harness.toml.

    The folder may have files. Only missing files are written, and no file is changed. A second `--task` adds an eval to
    the project.

    Examples:

        harness init my-evals && cd my-evals && harness run
        harness init --task extraction --provider ollama
        harness init --ci github              # also .github/workflows/evals.yml
    """
    from harness.core.extras import DISTRIBUTION, is_installed
    from harness.project import starter_files

    chosen = (provider or ProviderName.LLAMACPP).value
    result = starter_files.create(folder, task.value, chosen, github=ci is CiService.GITHUB)
    _print_files("wrote:", result.written)
    _print_files("left as they are:", result.left)
    for line in _advice(folder, result, task.value, chosen, explicit=provider is not None):
        typer.echo(f"\n{line}")
    missing = [extra for extra in starter_files.extras(task.value, chosen) if not is_installed(extra)]
    if missing:
        typer.echo(f'\nInstall: pip install "{DISTRIBUTION}[{",".join(missing)}]"')
    change_folder = "" if folder == Path() else f"cd {folder} && "
    typer.echo(f"\nNext: {change_folder}harness run -o reports/first.html")


def _print_files(title: str, paths: tuple[Path, ...]) -> None:
    if paths:
        typer.echo(title)
    for path in sorted(paths):
        typer.echo(f"  {path}")


def _advice(folder: Path, result: Written, task: str, provider: str, *, explicit: bool) -> list[str]:
    """What the user has to add to files that were left as they are."""
    from harness.project import starter_files

    advice = []
    if folder / "harness.toml" in result.left and (explicit or task == "embedding"):
        tables = starter_files.backend_tables(task)
        wanted = [tables["reference"], tables[provider]] if task == "embedding" else [tables[provider]]
        advice.append("Add to harness.toml, unless it has such a backend:\n\n" + "\n".join(wanted).rstrip("\n"))
    ignored = folder / ".gitignore"
    if ignored in result.left and ".harness" not in ignored.read_text(encoding="utf-8", errors="replace"):
        advice.append("Add to .gitignore: .harness/ (the store of all runs)")
    return advice
