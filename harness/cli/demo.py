"""`harness demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.types import Run
    from harness.project.config import BackendConfig
    from harness.report import Report
    from harness.runner.plan import Cell
    from harness.runner.project import Project

HEADING = "Start"
ORDER = 0

LIVE = "smollm2"
"""The embedded model that replies during the demo."""
LIVE_EVALS = ("ticket_triage", "comment_moderation")
LADDER_EVAL = "ticket_triage"
REPORT = "reports/demo.html"
_COMMANDS = 3


def demo(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the demo project. Default: this folder, or a new `harness-demo`.")
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Add a model: a backend of harness.toml (gpt-4o), or ollama:MODEL, or vllm:MODEL@URL; repeatable.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before requests that cost money.")] = False,  # noqa: FBT002  Typer's way to say a flag
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser at the end.")] = False,  # noqa: FBT002
) -> None:
    """Show verdicts on real models in two minutes. Needs no key and no server.

    Two models are recorded: what they really replied to every case. A third model, SmolLM2-135M, replies on this
    machine, in several quantizations. Its file is downloaded once (93 MB). `--with` adds a model of yours.

    Examples:

        harness demo
        harness demo --with gpt-4o          # asks before it spends money
        harness demo --with ollama:mistral
        harness demo my-folder --open

    Exit codes: 0 success, 2 usage or configuration error, 4 calls failed.
    """
    from harness.cli._common import print_error
    from harness.cli._outcome import open_page
    from harness.cli._overall_progress import OverallProgress
    from harness.core.errors import BackendUnavailable
    from harness.project import demo as files
    from harness.project.run_options import RunOptions
    from harness.runner import execution

    root = files.find_or_write(folder)
    with _opened(root, with_ or []) as project:
        added = [_name(each) for each in with_ or []]
        cells = _cells(project)
        if added:
            more = execution.cells(project, (), RunOptions(backend=tuple(added)))
            _confirm(project, more, yes=yes)
            cells += more
        with OverallProgress("demo", cells) as progress:
            outcome = execution.execute(project, cells, RunOptions(), progress)
        for failure in dict.fromkeys(map(str, outcome.failures)):
            print_error(failure)
        if not outcome.runs:
            raise BackendUnavailable("; ".join(reason for _, reason in outcome.skipped))
        built = _report(project, cells, outcome.runs)
        _print(project, built)
        if open_report:
            open_page(project.root / REPORT)
    errors = outcome.failures or any(result.response.error for run in outcome.runs for result in run.results)
    raise typer.Exit(4 if errors else 0)


def _opened(root: Path, added: Sequence[str]) -> Project:
    """The demo project, with the added models among its backends."""
    from dataclasses import replace

    from harness.runner.project import Project

    project = Project.open(root)
    more = {_name(each): backend for each in added if (backend := _backend(each)) is not None}
    backends = {**project.config.backends, **more}
    return replace(project, config=project.config.model_copy(update={"backends": backends}))


def _name(added: str) -> str:
    """`ollama-mistral` for `ollama:mistral`; the name of a backend stays."""
    provider, colon, model = added.partition(":")
    return f"{provider}-{model.partition('@')[0].replace('/', '-')}" if colon else added


def _backend(added: str) -> BackendConfig | None:
    """The backend for `PROVIDER:MODEL` or `PROVIDER:MODEL@URL`; `None` for a name in harness.toml."""
    from harness.core.errors import ConfigError
    from harness.core.plugins import PROVIDERS
    from harness.core.toml import hint
    from harness.project.config import BackendConfig

    provider, colon, rest = added.partition(":")
    if not colon:
        return None
    model, _, url = rest.partition("@")
    if not model:
        msg = f"--with {added}: name a model after the colon, such as ollama:mistral"
        raise ConfigError(msg)
    if provider not in (known := PROVIDERS.names()):
        msg = f"--with {added}: no provider {provider!r}{hint(provider, known)}"
        raise ConfigError(msg)
    variant = "gpt" if provider == "openai" and not url else "local"
    values = {"name": _name(added), "provider": provider, "model": model, "variant": variant}
    return BackendConfig.model_validate(values | ({"base_url": url} if url else {}))


def _cells(project: Project) -> list[Cell]:
    """Recorded models over whole splits, and the embedded model over the first cases."""
    from harness.project.run_options import RunOptions
    from harness.runner import execution

    recorded = tuple(name for name, backend in project.config.backends.items() if backend.capabilities.replays)
    live = RunOptions(backend=(LIVE,), demo=True)
    cells = execution.cells(project, (), RunOptions(backend=recorded))
    cells += execution.cells(project, LIVE_EVALS, live)
    return cells + execution.cells(
        project, (LADDER_EVAL,), execution.climb(project.config, LIVE, RunOptions(demo=True))
    )


def _confirm(project: Project, cells: Sequence[Cell], *, yes: bool) -> None:
    """Say what the added models cost, and ask."""
    from harness.cli._estimate import sums_text
    from harness.runner.estimate import estimate

    estimates = estimate(project, cells)
    typer.echo(f"{', '.join(dict.fromkeys(cell.backend.name for cell in cells))}: {sums_text(estimates)}")
    if any(not each.local for each in estimates) and not yes:
        typer.confirm("Send these requests?", abort=True)


def _report(project: Project, cells: Sequence[Cell], runs: Sequence[Run]) -> Report:
    """The report of the runs, in the order of the cells, written to reports/demo.html."""
    from harness import report
    from harness.runner import gate_checks, questions, rendered_prompts

    planned = [(cell.definition.name, cell.name) for cell in cells]
    ordered = sorted(runs, key=lambda run: planned.index((run.manifest.eval, run.manifest.cell)))
    analyses = questions.analyses(project, dict.fromkeys(run.manifest.eval for run in ordered))
    gates, prompts = gate_checks.of_saved(project, ordered), rendered_prompts.of_runs(project, ordered)
    built = report.build(ordered, analyses=analyses, gates=gates, prompts=prompts)
    report.write(built, project.root / REPORT)
    return built


def _print(project: Project, built: Report) -> None:
    from harness.cli._common import console
    from harness.report.cards import cards
    from harness.report.terminal import ladder_lines, rate_lines, verdict_lines

    screen = console()
    for line in (*rate_lines(built, LIVE, LIVE_EVALS), *ladder_lines(built), *verdict_lines(built)):
        screen.print(line)
    typer.echo(f"report: {project.root / REPORT}")
    commands = list(dict.fromkeys(card.command for card in cards(built)))[:_COMMANDS]
    folder = project.root.resolve()
    typer.echo("next:" if folder == Path.cwd().resolve() else f"next, in {os.path.relpath(folder)}:")
    for command in commands:
        typer.echo(f"  {command}")
