"""`harness pick`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.types import Run
    from harness.project.config import BackendConfig
    from harness.project.evals import Eval
    from harness.runner.project import Project

HEADING = "Evaluate"
ORDER = 7

ENDINGS = (".json",)


def pick(
    eval_name: Annotated[str, typer.Argument(metavar="EVAL", help="The eval.")],
    backends: Annotated[
        str | None,
        typer.Option(help="The candidates, separated by commas. Default: all with a whole run, except the reference."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Allowed loss of accuracy. Default: the eval's, else 0.03.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write all figures to this .json file.")] = None,
) -> None:
    """Pick the cheapest candidate that is proven as good as the reference of [pair], from saved runs.

    The candidates share the error of one verdict, so that the best of many is not picked for its luck. The cost is that
    of the measured tokens; your own server costs nothing per call.

    Examples:

        harness run ticket_triage -b gpt-4o -b mistral-q4 -b qwen-q4 -b gpt-4o-mini
        harness pick ticket_triage --backends mistral-q4,qwen-q4,gpt-4o-mini

    Exit codes: 0 picked, 1 none because all are worse, 2 usage or configuration error, 4 none is proven yet.
    """
    from dataclasses import replace

    from harness.analysis.compare import outcomes_of
    from harness.analysis.compare.pick import pick as pick_from
    from harness.cli._common import console
    from harness.core.files import write
    from harness.core.formatting import visible
    from harness.project import evals
    from harness.report import pick_text
    from harness.report.formats.json import dumps
    from harness.report.terminal_table import TerminalTable
    from harness.report.write import check_ending
    from harness.runner import gate_checks, questions
    from harness.runner.project import Project

    if output is not None:
        check_ending(output, ENDINGS)
    with Project.open(read_only=True) as project:
        (definition,) = evals.find(project.root, [eval_name])
        reference = _reference(project, definition)
        runs = {run.manifest.backend: run for run in gate_checks.newest(project, definition)}
        names = _names(project, reference.name, backends, runs)
        _check_runs(project, definition, [reference.name, *names], runs)
        asked = questions.question(project, definition.name, "move")
        if margin is not None:
            asked = replace(asked, margin=margin)
        found = pick_from(
            outcomes_of(runs[reference.name]),
            [outcomes_of(runs[name]) for name in names],
            asked,
            {name: _usd_per_1k(project, project.config.backend(name), runs[name]) for name in names},
        )
    table = TerminalTable(*pick_text.HEADINGS, names=["candidate"])
    for candidate in found.candidates:
        table.add(*pick_text.row(candidate))
    console().print(table)
    typer.echo(visible(pick_text.sentence(found)))
    if output is not None:
        write(dumps(pick_text.as_json(found), indent=1) + "\n", output)
        typer.echo(f"figures: {output}")
    raise typer.Exit(0 if found.picked else 4 if found.is_open else 1)


def _reference(project: Project, definition: Eval) -> BackendConfig:
    from harness.core.errors import ConfigError

    config = project.config
    named = definition.traffic.backend if definition.traffic else None
    if named is None and config.pair is None:
        msg = f"{config.path or config.root}: pick needs [pair]: name today's backend as its reference"
        raise ConfigError(msg)
    return config.backend(named or (config.pair.reference if config.pair else ""))


def _names(project: Project, reference: str, wanted: str | None, runs: Mapping[str, Run]) -> list[str]:
    """The candidates; raises `ConfigError` for an unknown one, and if there is none."""
    from harness.core.errors import ConfigError

    if wanted is None:
        names = [name for name in runs if name != reference]
    else:
        names = list(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    for name in names:
        project.config.backend(name)
    if reference in names:
        msg = f"--backends {wanted}: {reference} is the reference, and cannot be a candidate"
        raise ConfigError(msg)
    if not names:
        msg = "no candidate: run other backends than the reference, or name candidates with --backends"
        raise ConfigError(msg)
    return names


def _check_runs(project: Project, definition: Eval, names: Sequence[str], runs: Mapping[str, Run]) -> None:
    """Raise `ConfigError` with the command that makes the missing runs."""
    from harness.core.errors import ConfigError

    if missing := [name for name in names if name not in runs]:
        command = f"harness run {definition.name} {' '.join(f'-b {name}' for name in missing)}"
        msg = f"no whole run of {', '.join(missing)} in {project.store.url}: make it with `{command}`"
        raise ConfigError(msg)


def _usd_per_1k(project: Project, backend: BackendConfig, run: Run) -> float | None:
    from harness.analysis.metrics.summary import summarize
    from harness.project.pricing import is_local, price_of, usd

    price, summary = price_of(project.config, backend), summarize(run.results)
    if price is None:
        return 0.0 if is_local(project.config, backend) else None
    if not summary.answered:
        return None
    return 1000 * usd(price, summary.prompt_tokens, summary.completion_tokens) / summary.answered
