"""Plan the cells of eval files. Every error in the files is reported here, before any request is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

from harness.analysis import dataset_power, gates
from harness.analysis.dataset_power import GateProblem
from harness.backends.providers import replay
from harness.contracts import Contract
from harness.core.errors import ConfigError, DatasetError
from harness.core.lazy import LazySubset
from harness.core.toml import at
from harness.core.types import (
    JSON,
    NOTHING,
    Case,
    Constraint,
    Decoding,
    Message,
    Request,
    RunOrigin,
    Sampling,
    cell_name,
)
from harness.project import datasets
from harness.project.config import BackendConfig, Service
from harness.project.datasets import Dataset
from harness.project.evals import Eval
from harness.project.prompts import Prompt, PromptLibrary, Variant
from harness.project.run_options import RunOptions
from harness.report.gate_text import undecidable_text
from harness.runner.mix_check import check_mix
from harness.runner.selection import select, selection_of
from harness.tasks import Task, task_of

KEPT_CHARS = 16_000_000
"""Limit on the rendered text, per variant, that is kept between the check and the run."""


class CellKey(NamedTuple):
    """Identity of a cell within a plan.

    The dataset's name distinguishes a judge's labelled sample from the run that it judges. `copy`: see `Cell.copy`.
    """

    eval_file: Path
    cell: str
    dataset: str
    copy: int


@dataclass(frozen=True)
class Cell:
    """One variant on one backend, and the requests that its run will make."""

    definition: Eval
    task: Task
    prompt: Prompt
    variant: Variant
    backend: BackendConfig
    dataset: Dataset
    cases: Sequence[Case]
    requests: RequestPlan
    split: str | None
    limit: int | None
    decoding: Decoding = "free"
    origin: RunOrigin = RunOrigin.ASKED
    copy: int = 0
    """Number among equal cells, with `--repeat-cell`."""
    until_decided: bool = False
    """The cases are in random order, and the run may stop before their end."""
    selection: tuple[str, ...] = ()
    """What the user selected the cases by, with `--case` and `--filter`; empty for all cases."""

    @property
    def key(self) -> CellKey:
        """A hashable identity, unique within a plan."""
        return CellKey(self.definition.path, self.name, self.dataset.name, self.copy)

    @property
    def name(self) -> str:
        """`variant@backend`, and `+constrained` with constrained decoding."""
        return cell_name(self.variant.name, self.backend.name, self.decoding)

    @property
    def sampling(self) -> Sampling:
        """Sampling parameters of every request, except for the seeds of repeats."""
        return self.requests.sampling

    @property
    def is_own(self) -> bool:
        """True for the cell that production would use: the backend's own variant, in the eval's first decoding."""
        return self.variant.name == self.backend.variant and self.decoding == self.definition.decoding[0]

    def over_replies(self, cases: Sequence[Case], source: str) -> Cell:
        """A judge's cell whose `cases` are the replies of a `source`: `run:ID`, or `sheet:NAME/TASK`."""
        requests = RequestPlan(self.definition, self.task, cases, Path(source), self.variant, self.decoding)
        dataset = replace(self.dataset, name=source)
        return replace(
            self, cases=cases, requests=requests, dataset=dataset, split=None, limit=None, origin=RunOrigin.JUDGED
        )

    def fingerprint(self) -> dict[str, str]:
        """The part of a run's identity that is known before the backend answers."""
        return {
            "prompt": f"{self.prompt.id}/{self.variant.name}",
            "prompt_hash": self.variant.digest,
            "rendered_hash": self.requests.digest,
            "dataset": self.dataset.name,
            "dataset_hash": datasets.fingerprint(self.cases),
            "contract": self.task.contract.id,
            "contract_hash": contract_digest(self.task.contract, self.task.settings),
            "sampling": json.dumps(asdict(self.sampling), sort_keys=True),
            "decoding": self.decoding,
            "repeats": str(self.definition.repeats),
        }


def plan(root: Path, definitions: Sequence[Eval], backends: Sequence[BackendConfig], options: RunOptions) -> list[Cell]:
    """The cells of the matrix, eval by eval; raises `ConfigError` for any error in the files."""
    library = PromptLibrary(root / "prompts")
    selected = selection_of(options)
    cells: list[Cell] = []
    for definition in definitions:
        gates.check(definition.gates, definition.path)
        task = task_of(definition)
        task.require(str(definition.path))
        prompt = library.load(definition.prompt, version=options.version)
        dataset = datasets.load(root, definition.dataset)
        split = _split(definition, dataset, options)
        limit = definition.demo_limit if options.limit is None and options.demo else options.limit
        cases = dataset.select(None if split == "all" else split, limit if not selected else None)
        if selected:
            cases = select(cases, selected, limit)
            if not cases:  # another eval has the selected cases, see selection.check
                continue
            limit = len(cases)  # a sample, even if all cases match
        if task.context:
            cases = (*task.context, *cases)
        # Checks the whole split, so that an error outside a sample does not first appear in the full run.
        _check_expected(task, dataset, dataset.select(None if split == "all" else split))
        check_mix(definition, task, cases)
        if limit is None and options.split is None:  # gates hold for the whole split
            _check_gates(definition, cases, strict=options.strict)
        plans: dict[tuple[str, Decoding], RequestPlan] = {}  # shared by all backends
        for backend in _backends_for(definition, task, backends, options):
            if not backend.name.startswith(replay.PREFIX):
                prompt.variant(backend.variant)  # a misspelt variant would leave every gate unjudged
            names = _variants(definition, prompt, backend, options)
            for variant, decoding in product(map(prompt.variant, names), options.decoding or definition.decoding):
                if (variant.name, decoding) not in plans:
                    plans[variant.name, decoding] = RequestPlan(
                        definition, task, cases, dataset.path, variant, decoding
                    )
                requests = plans[variant.name, decoding]
                cell = Cell(definition, task, prompt, variant, backend, dataset, cases, requests, split, limit)
                cells.append(replace(cell, decoding=decoding, selection=selected))
    return list({cell.key: cell for cell in cells}.values())  # a backend or variant may be named twice


def _backends_for(
    definition: Eval, task: Task, backends: Sequence[BackendConfig], options: RunOptions
) -> Iterator[BackendConfig]:
    """Backends that the eval allows and that can serve it; raises `ConfigError` if the options name another backend."""
    service: Service = "embeddings" if task.embeds else "chat"
    for backend in backends:
        named = backend.name in definition.backends
        if definition.backends and not named and not options.every_backend:
            continue
        if backend.capabilities.replays or service in backend.serves:
            yield backend
        elif named or options.every_backend:
            msg = (
                f"{definition.path}: {definition.task} needs {service}, which backend {backend.name} does not serve: "
                f'if it does, add to harness.toml: [backends.{backend.name}] serves = ["{service}"]'
            )
            raise ConfigError(msg)


def _variants(definition: Eval, prompt: Prompt, backend: BackendConfig, options: RunOptions) -> Sequence[str]:
    """Names of the variants to run on a backend: all, or those that a recording has replies to."""
    if options.variant:
        return options.variant
    if options.own_variant_only or backend.name.startswith(replay.PREFIX):
        return (backend.variant,)  # a saved run has replies to one variant
    if backend.capabilities.replays and backend.options:  # of a recording that has been read
        names = [name for name in replay.recorded_variants(backend, definition.name) if name in prompt.variants]
        if not names:
            msg = (
                f"{backend.name}: {backend.model} has no replies to {definition.name}: `harness run --record` adds them"
            )
            raise ConfigError(msg)
        return names
    return tuple(prompt.variants)


def _split(definition: Eval, dataset: Dataset, options: RunOptions) -> str | None:
    """The split to run over. Only the default split may be missing from the dataset."""
    if dataset.splits:
        return options.split or definition.split
    wanted = options.split or (definition.split if "split" in definition.model_fields_set else None)
    if wanted not in {None, "all"}:
        msg = f"{dataset.path}: no cases in split {wanted!r}: the dataset is not split (`all` takes every case)"
        raise DatasetError(msg)
    return wanted


@dataclass
class RequestPlan:
    """The requests of a cell, in order: one per case and repeat, each repeat with its own seed.

    `path` names the source of the cases in messages. Requests are built during iteration, because there may be a
    million of them.
    """

    definition: Eval
    task: Task
    cases: Sequence[Case]
    path: Path
    variant: Variant
    decoding: Decoding
    sampling: Sampling = field(init=False)
    """Sampling parameters of every request, except for the seeds of repeats."""
    digest: str = field(init=False)
    """`sha256:…` of all rendered messages, independent of the order of the cases."""
    _constraint: Constraint | None = field(init=False)
    _len: int = field(init=False)
    _rendered: dict[str, tuple[Message, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `ConfigError` for a case that cannot be rendered."""
        chosen = {name: value for name, value in self.definition.sampling if value is not None}
        self.sampling = replace(self.task.sampling, **chosen)
        self._constraint = self._constrained() if self.decoding == "constrained" else None
        once = self.definition.repeats == 1
        self._len = len(self.cases) if once else sum(self._times(case) for case in self.cases)
        self.digest = self._digest()

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[tuple[Case, Request]]:
        for case in self.cases:
            messages = self._rendered.get(case.id) or self._messages(case)
            for repeat in range(self._times(case)):
                yield case, self._request(case, messages, repeat)

    def _digest(self) -> str:
        digest, kept_chars = hashlib.sha256(b"["), 0
        for place, case in enumerate(_by_id(self.cases)):
            messages = self._messages(case)
            turns = [[message.role, message.content] for message in messages]
            digest.update((b", " if place else b"") + _TURNS.encode([case.id, turns, *self.task.tools(case)]).encode())
            kept_chars += sum(len(message.content) for message in messages)
            if kept_chars <= KEPT_CHARS:
                self._rendered[case.id] = messages
        digest.update(b"]")
        return f"sha256:{digest.hexdigest()}"

    def _request(self, case: Case, messages: tuple[Message, ...], repeat: int) -> Request:
        sampling = self.sampling
        if repeat and sampling.seed is not None:
            sampling = replace(sampling, seed=sampling.seed + repeat)
        return Request(messages, sampling, repeat, self.task.tools(case), self._constraint, self.task.embeds)

    def _times(self, case: Case) -> int:
        """Requests for one case. Cases without an expected value, and embeddings, are not repeated."""
        return self.definition.repeats if case.expected is not None and not self.task.embeds else 1

    def _messages(self, case: Case) -> tuple[Message, ...]:
        variables = self.task.variables(case)
        if hidden := [name for name in case.inputs if variables[name] != case.inputs[name]]:
            problem = f"input {hidden[0]!r} has the name of a variable that the task sets: rename it"
            msg = f"{self.path}: case {case.id}: {problem}"
            raise DatasetError(msg)
        try:
            return self.variant.render(variables)
        except ConfigError as error:
            msg = f"{error} (case {case.id})"
            raise type(error)(msg) from None

    def _constrained(self) -> Constraint:
        if self.task.constraint is None:
            msg = (
                f"{at(self.definition.path, ('decoding',))}a reply of task {self.definition.task} cannot be "
                'constrained: set decoding = ["free"]'
            )
            raise ConfigError(msg)
        return self.task.constraint


def _by_id(cases: Sequence[Case]) -> Sequence[Case]:
    if all(a <= b for a, b in pairwise(case.id for case in cases)):
        return cases
    ids = [case.id for case in cases]
    return LazySubset(cases, sorted(range(len(ids)), key=ids.__getitem__))


def _check_expected(task: Task, dataset: Dataset, cases: Sequence[Case]) -> None:
    judged = (case for case in cases if case.expected is not None)
    problems = [f"{dataset.path}: case {case.id}: {problem}" for case in judged if (problem := task.check(case))]
    if problems:
        more = f" (and {len(problems) - datasets.SHOWN} more)" if len(problems) > datasets.SHOWN else ""
        raise DatasetError("\n".join(problems[: datasets.SHOWN]) + more)


def _check_gates(definition: Eval, cases: Sequence[Case], *, strict: bool) -> None:
    """Raise for a gate on a tag that no case has, and with `strict` for each gate that needs more cases."""
    problems = dataset_power.undecidable(definition.gates, (case for case in cases if case.expected is not None))
    refused = [each for each in problems if strict or each.problem is GateProblem.NO_TAGGED_CASES]
    if refused:
        raise ConfigError("\n".join(f"{at(definition.path, each.key)}{undecidable_text(each)}" for each in refused))


def contract_digest(contract: Contract, settings: Mapping[str, JSON] = NOTHING) -> str:
    """Hash of the rules that read replies, and of the `settings` of a task that score them."""
    fields = getattr(contract, "__dataclass_fields__", {})
    rules = {name: getattr(contract, name) for name, f in fields.items() if f.init and f.compare}
    return _digest([contract.id, rules, dict(settings)] if settings else [contract.id, rules])


def _digest(value: Any) -> str:
    text = _TURNS.encode(value)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else list(value)


_TURNS = json.JSONEncoder(sort_keys=True, ensure_ascii=True, default=_plain)
