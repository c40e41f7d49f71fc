"""Plan and run evals of a project: from names and options to an `Outcome`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from harness import backends
from harness.backends.providers import replay
from harness.core.errors import ConfigError
from harness.core.toml import at
from harness.project import evals
from harness.project.config import BackendConfig, Config
from harness.project.evals import Eval
from harness.project.run_options import RunOptions
from harness.runner import batch, engine, selection
from harness.runner.backend_session import RunSetup, StoppingRule
from harness.runner.budget import budget
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.plan import Cell, plan
from harness.runner.project import Project
from harness.store.recording import Recorder
from harness.store.run_refs import TAG
from harness.store.runs import Store


def cells(project: Project, names: Sequence[str], options: RunOptions) -> list[Cell]:
    """Plan the cells of the evals in `names`, by default of all evals. Calls no model.

    Raises `ConfigError` for an eval, a prompt, a dataset or a backend that cannot be run.
    """
    options = options.over(project.config.run)
    planned: list[Cell] = []
    definitions = evals.find(project.root, names)
    selection.check(project.root, definitions, options)
    for definition in definitions:
        _check_backends(project.config, definition)
        chosen = [backend(project, name) for name in _backend_names(project.config, definition, options)]
        if not (names and options.backend):  # a recording may lack replies to some evals
            chosen = [config for config in chosen if replay.has_replies_for(config, definition.name)]
        planned += plan(project.root, [definition], chosen, options)
    return planned


def _backend_names(config: Config, definition: Eval, options: RunOptions) -> Sequence[str]:
    usual = {*config.usual, *definition.backends}
    return options.backend or [name for name in config.backends if name in usual]


def _check_backends(config: Config, definition: Eval) -> None:
    for name in definition.backends:
        config.backend(name)  # a misspelt name would leave the eval out silently
    if definition.gates.margin is not None and config.pair is None:
        where = at(definition.path, ("gates", "margin"))
        msg = f"{where}margin compares the candidate with the reference: name both in [pair] of harness.toml"
        raise ConfigError(msg)


def climb(config: Config, ladder: str, options: RunOptions) -> RunOptions:
    """`options` for the backends of a ladder, each with its own variant only; raises `ConfigError`."""
    if options.backend:
        msg = "a ladder names its backends: leave out --backend (or HARNESS_BACKEND), or --ladder"
        raise ConfigError(msg)
    return replace(options, backend=config.ladder(ladder).steps, own_variant_only=True)


def backend(project: Project, name: str) -> BackendConfig:
    """A backend of harness.toml, or `replay:RUN` or `replay:FILE`: the replies of a saved run or of a recording."""
    if not name.startswith(replay.PREFIX):
        config = project.config.backend(name)
        return replay.of_table(config) if config.provider == replay.PROVIDER_NAME else config
    if replay.is_file(name):
        return replay.of_file(name)
    saved = project.store.load(name.removeprefix(replay.PREFIX)).manifest
    return replay.of_run(saved.run_id, saved.variant, project.config.store_url)


def execute(
    project: Project,
    planned: Sequence[Cell],
    options: RunOptions,
    events: RunEvents,
    stopping: StoppingRule | None = None,
) -> Outcome:
    """Run planned cells and wait. `stopping`: decides after how many cases; by default all are sent.

    Raises `ConfigError` if `planned` is empty, `Interrupted` on Ctrl-C, `StoreError` if results cannot be saved.
    """
    with _setup(project, planned, options) as setup:
        return engine.run(planned, project.store, events, replace(setup, stopping=stopping))


async def aexecute(project: Project, planned: Sequence[Cell], options: RunOptions, events: RunEvents) -> Outcome:
    """Run planned cells in the caller's event loop. Raises as `execute`, and `CancelledError` on cancellation."""
    with _setup(project, planned, options) as setup:
        return await engine.arun(planned, project.store, events, setup)


def collect(
    planned: Sequence[Cell], store: Store, results: batch.BatchResults, events: RunEvents, options: RunOptions
) -> Outcome:
    """Make runs from batch result files. Calls no model. `options`: tags, and whether to resume."""

    def connect(config: BackendConfig, _progress: object) -> batch.FileBackend:
        return batch.FileBackend(config, results, ", ".join(path.name for path in results.paths))

    options = replace(options, cache=False, tag=_checked(options.tag))
    return engine.run(planned, store, events, RunSetup(options, connect))


@contextmanager
def _setup(project: Project, planned: Sequence[Cell], options: RunOptions) -> Iterator[RunSetup]:
    if not planned:
        msg = "nothing to run: the evals exclude these backends; to run anyway, name an eval and a --backend"
        raise ConfigError(msg)
    options = options.over(project.config.run)
    options = replace(options, tag=_checked(options.tag))
    if options.batch:
        _check_batch(planned, options.budget)
    connect = batch.connect(project.store) if options.batch else backends.connect
    limit = None
    if options.budget is not None:
        limit = budget(project.config, {cell.backend.name: cell.backend for cell in planned}, options.budget)
    with nullcontext() if options.record is None else Recorder(options.record) as recorder:
        yield RunSetup(options, connect, limit, recorder)


def _check_batch(planned: Sequence[Cell], limit_usd: float | None) -> None:
    if not any(batch.supports_batches(cell.backend) for cell in planned):
        msg = "no backend of this run supports --batch: use provider openai, or `harness batch export` for others"
        raise ConfigError(msg)
    if limit_usd is not None:
        msg = "a batch is paid for as a whole, so no budget can stop it: leave out --batch or --budget (see --estimate)"
        raise ConfigError(msg)


def _checked(tags: Sequence[str]) -> tuple[str, ...]:
    """Each tag once; raises `ConfigError` for an invalid tag."""
    for tag in tags:
        if not TAG.fullmatch(tag):
            msg = f"tag {tag!r}: use at most 64 letters, digits, dots, hyphens and underscores"
            raise ConfigError(msg)
    return tuple(dict.fromkeys(tags))
