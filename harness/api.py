"""The library: what the command line and pytest do, as functions.

from harness import run

for cell in run("ticket_triage", backend="smollm2"):
print(cell.name, cell.summary.accuracy.strict)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import backends
from harness.analysis import trend
from harness.backends.providers import replay
from harness.core.errors import BackendUnavailable, ConfigError
from harness.core.toml import at
from harness.core.types import OWN_ORIGINS, Decoding
from harness.project import config, evals, pricing
from harness.project.config import BackendConfig, Config, RunConfig
from harness.runner import batch, engine
from harness.runner.backend_session import ExecutionSettings
from harness.runner.budget import budget
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.plan import Cell, Selection, plan
from harness.store import tallies
from harness.store.recording import Recorder
from harness.store.run_query import RunQuery
from harness.store.run_refs import TAG
from harness.store.runs import Store, open_store

if TYPE_CHECKING:
    from harness.report import CellReport


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The flags of `harness run`. `None` and empty: what `[run]` of harness.toml says, else the default."""

    backend: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    own_variant_only: bool = False
    version: str | None = None
    decoding: tuple[Decoding, ...] = ()
    split: str | None = None
    limit: int | None = None
    demo: bool = False
    cache: bool | None = None
    resume: bool = False
    jobs: int | None = None
    tag: tuple[str, ...] = ()
    budget_usd: float | None = None
    record: Path | None = None
    batch: bool = False
    """By the Batch API, those that have one: half the price, within a day."""
    whole: bool = False
    """Whole splits, as gates need them: what `[run]` says of variants and samples does not hold."""
    every_backend: bool = False
    """Run an eval also on backends that it leaves out: the user named both."""


@contextmanager
def project(start: Path | None = None, *, reading: bool = False) -> Iterator[tuple[Config, Store]]:
    """The project around `start` (default: here) and its open store.

    `reading`: what is there is looked at; a store in a folder that is not there is a mistake, unless it is the usual
    one, in which nothing has been run yet.
    """
    found = config.load(start)
    backends.check(found)
    pricing.check(found)
    store = open_store(found.store_url, home=found.root / ".harness" if reading else None)
    try:
        yield found, store
    finally:
        store.close()


def cells(found: Config, store: Store, names: Sequence[str], options: RunOptions) -> list[Cell]:
    """Plan the runs of the evals called `names` (default: all); asks no model."""
    defaults = found.run
    chosen = options.backend or defaults.backend
    sample = RunConfig() if options.whole else defaults
    selection = Selection(
        variants=options.variant or (() if options.own_variant_only else sample.variant),
        own_variant_only=options.own_variant_only,
        version=options.version or sample.version,
        decoding=options.decoding or sample.decoding,
        split=options.split or sample.split,
        limit=options.limit or sample.limit,
        demo=options.demo or sample.demo,
        every_backend=options.every_backend,
    )
    planned: list[Cell] = []
    for definition in evals.find(found.root, names):
        for name in definition.backends:
            found.backend(name)  # a misspelt one would leave the eval out without a word
        if definition.gates.margin is not None and found.pair is None:
            where = at(definition.path, ("gates", "margin"))
            msg = (
                f"{where}margin asks how far the candidate is below the reference: name both in [pair] of harness.toml"
            )
            raise ConfigError(msg)
        usual = (name for name in found.backends if name in {*found.usual, *definition.backends})
        asked = [backend(found, store, name) for name in chosen or usual]
        if not names:  # a file of answers need not be of every eval
            asked = [one for one in asked if replay.has_replies_for(one, definition.name)]
        planned += plan(found.root, [definition], asked, selection)
    return planned


def climb(found: Config, ladder: str, options: RunOptions) -> RunOptions:
    """`options` for the backends of a ladder, each with the variant that it is tuned for; raises `ConfigError`."""
    if options.backend:
        msg = "a ladder names its backends: leave out --backend (or HARNESS_BACKEND), or --ladder"
        raise ConfigError(msg)
    return replace(options, backend=found.ladder(ladder).steps, own_variant_only=True)


def backend(found: Config, store: Store, name: str) -> BackendConfig:
    """A backend of harness.toml, or `replay:RUN` or `replay:FILE`, which answers from a saved run or a recording."""
    if not name.startswith(replay.PREFIX):
        return found.backend(name)
    if replay.is_file(name):
        return replay.of_file(name)
    saved = store.load(name.removeprefix(replay.PREFIX)).manifest
    return replay.of_run(saved.run_id, saved.variant, found.store_url)


def execute(found: Config, store: Store, planned: Sequence[Cell], options: RunOptions, listener: RunEvents) -> Outcome:
    """Run what was planned.

    Raises `ConfigError` where that is nothing, `Interrupted` on Ctrl-C, `StoreError` where results cannot be kept.
    """
    if not planned:
        msg = "nothing to run: the evals leave these backends out; name an eval and a --backend to run it all the same"
        raise ConfigError(msg)
    defaults = found.run
    spend = defaults.budget if options.budget_usd is None else options.budget_usd
    record = options.record or (found.root / defaults.record if defaults.record else None)
    settings = ExecutionSettings(
        cache=defaults.cache if options.cache is None else options.cache,
        resume=options.resume or defaults.resume,
        jobs=options.jobs or defaults.jobs,
        required=frozenset(options.backend or defaults.backend),
        tags=_checked(options.tag or defaults.tag),
        budget=None if spend is None else budget(found, {c.backend.name: c.backend for c in planned}, spend),
    )
    if options.batch:
        _check_batch(planned, spend)
    connect = batch.connect(store) if options.batch else backends.connect
    with nullcontext() if record is None else Recorder(record) as recorder:
        return engine.run(planned, store, listener, replace(settings, recorder=recorder), connect)


def trends(
    store: Store, eval_name: str | None = None, *, cell: str = "", tag: str = "", newest: int = trend.NEWEST
) -> tuple[trend.Trend, ...]:
    """The trends of all evals or of one, of all cells or of one, over all runs or those with a tag."""
    points = RunQuery(
        eval=eval_name,
        cell=cell or None,
        tags=(tag,) if tag else (),
        finished=True,
        whole=True,
        origins=OWN_ORIGINS,
    )
    return trend.trends(store.manifests(points), lambda manifests: tallies.tallies(store, manifests), newest)


def run(
    *names: str,
    backend: str | Sequence[str] = (),
    variant: str | Sequence[str] = (),
    version: str | None = None,
    decoding: Decoding | Sequence[Decoding] = (),
    split: str | None = None,
    limit: int | None = None,
    cache: bool | None = None,
    ladder: str | None = None,
    root: Path | None = None,
    listener: RunEvents | None = None,
) -> list[CellReport]:
    """Run evals and return a report of each cell, as `harness run` does; raises what stopped a backend.

    `names`: evals by name or path, all of the project if none. `ladder`: one of harness.toml, instead of `backend`.
    `root`: a folder of the project, default here.
    """
    options = RunOptions(
        backend=_tuple(backend),
        variant=_tuple(variant),
        version=version,
        decoding=(decoding,) if isinstance(decoding, str) else tuple(decoding),
        split=split,
        limit=limit,
        cache=cache,
        every_backend=bool(names and (backend or ladder)),
    )
    with project(root) as (found, store):
        options = climb(found, ladder, options) if ladder else options
        outcome = execute(found, store, cells(found, store, names, options), options, listener or RunEvents())
    for failure in outcome.failures:
        raise failure
    if not outcome.runs:
        reasons = "; ".join(reason for _, reason in outcome.skipped)
        raise BackendUnavailable(reasons)
    from harness.report import build

    return [cell for each in build(outcome.runs).evals for cell in each.cells]


def collect(
    planned: Sequence[Cell],
    store: Store,
    found: batch.BatchResults,
    listener: RunEvents,
    *,
    where: str,
    tags: Sequence[str] = (),
    resume: bool = False,
) -> Outcome:
    """Make runs of results in files, of what was planned; `where` names the files. Asks no model."""

    def connect(config: BackendConfig, _progress: object) -> batch.FileBackend:
        return batch.FileBackend(config, found, where)

    return engine.run(
        planned, store, listener, ExecutionSettings(cache=False, resume=resume, tags=_checked(tags)), connect
    )


def _check_batch(planned: Sequence[Cell], spend: float | None) -> None:
    """Raise `ConfigError` for what no batch can do."""
    if not any(batch.supports_batches(cell.backend) for cell in planned):
        msg = (
            "no backend of this run is asked by batch: that is for provider openai; others take `harness batch export`"
        )
        raise ConfigError(msg)
    if spend is not None:
        msg = "a batch is paid as a whole, so no budget can stop it: leave out --batch or --budget (see --estimate)"
        raise ConfigError(msg)


def _checked(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, each once; raises `ConfigError` for one that could not be written after a cell's name."""
    for tag in tags:
        if not TAG.fullmatch(tag):
            msg = f"tag {tag!r}: a tag is letters, digits, dots, hyphens and underscores, 64 at most"
            raise ConfigError(msg)
    return tuple(dict.fromkeys(tags))


def _tuple(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
