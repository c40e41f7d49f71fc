"""From eval files to cells: everything that can be wrong is found here, before any model is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from harness.analysis import dataset_power
from harness.contracts import Contract
from harness.core.errors import ConfigError, DatasetError
from harness.core.lazy import LazySubset
from harness.core.toml import at
from harness.core.types import JSON, NOTHING, Case, Constraint, Decoding, Message, Request, Sampling, cell_name
from harness.project import datasets
from harness.project.config import BackendConfig, Service
from harness.project.datasets import Dataset
from harness.project.evals import Eval
from harness.project.prompts import Prompt, PromptLibrary, Variant
from harness.project.run_options import RunOptions
from harness.tasks import Task, task_of

SHOWN = 5
KEPT_CHARS = 16_000_000
"""How much of what the cases of one variant are asked is kept from the check to the asking."""


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
    asks: RequestPlan
    split: str | None
    limit: int | None
    decoding: Decoding = "free"

    @property
    def name(self) -> str:
        """`variant@backend`, and `+constrained` where the server is told what to let through."""
        return cell_name(self.variant.name, self.backend.name, self.decoding)

    @property
    def sampling(self) -> Sampling:
        """How every request is sampled, but for the seeds of repeats."""
        return self.asks.sampling

    @property
    def is_own(self) -> bool:
        """The cell that production would use: the variant that the backend is tuned for, as the eval decodes first."""
        return self.variant.name == self.backend.variant and self.decoding == self.definition.decoding[0]

    def over(self, cases: Sequence[Case], source: str) -> Cell:
        """The same prompt on the same backend with other cases, which come from `source`."""
        asks = RequestPlan(self.definition, self.task, cases, Path(source), self.variant, self.decoding)
        dataset = replace(self.dataset, name=source)
        return replace(self, cases=cases, asks=asks, dataset=dataset, split=None, limit=None)

    def fingerprint(self) -> dict[str, str]:
        """What of a run's identity is known before the backend is asked."""
        return {
            "prompt": f"{self.prompt.id}/{self.variant.name}",
            "prompt_hash": self.variant.digest,
            "rendered_hash": self.asks.digest,
            "dataset": self.dataset.name,
            "dataset_hash": datasets.fingerprint(self.cases),
            "contract": self.task.contract.id,
            "contract_hash": contract_digest(self.task.contract, self.task.settings),
            "sampling": json.dumps(asdict(self.sampling), sort_keys=True),
            "decoding": self.decoding,
            "repeats": str(self.definition.repeats),
        }


def plan(root: Path, definitions: Sequence[Eval], backends: Sequence[BackendConfig], options: RunOptions) -> list[Cell]:
    """The cells of the matrix, eval by eval; raises `ConfigError` for whatever would go wrong later."""
    library = PromptLibrary(root / "prompts")
    cells: list[Cell] = []
    for definition in definitions:
        task = task_of(definition)
        task.require(str(definition.path))
        prompt = library.load(definition.prompt, version=options.version)
        dataset = datasets.load(root, definition.dataset)
        split = _split(definition, dataset, options)
        limit = definition.demo_limit if options.limit is None and options.demo else options.limit
        cases = dataset.select(None if split == "all" else split, limit)
        if task.context:
            cases = (*task.context, *cases)
        # All of the split, whatever the sample: what is wrong further down would show only in the long run.
        _check_expected(task, dataset, dataset.select(None if split == "all" else split))
        if limit is None and options.split is None:  # over part of its cases an eval's gates are not what it says
            _check_gates(definition, cases)
        asked: dict[tuple[str, Decoding], RequestPlan] = {}  # the same of every backend
        for backend in _backends_for(definition, task, backends, options):
            if backend.provider != "replay":
                prompt.variant(backend.variant)  # a misspelt one would leave every gate unjudged
            own = options.own_variant_only or backend.provider == "replay"  # a saved run has answers to one variant
            names = options.variant or ((backend.variant,) if own else tuple(prompt.variants))
            for variant, decoding in product(map(prompt.variant, names), options.decoding or definition.decoding):
                if (variant.name, decoding) not in asked:
                    asked[variant.name, decoding] = RequestPlan(
                        definition, task, cases, dataset.path, variant, decoding
                    )
                asks = asked[variant.name, decoding]
                cells.append(
                    Cell(definition, task, prompt, variant, backend, dataset, cases, asks, split, limit, decoding)
                )
    return cells


def _backends_for(
    definition: Eval, task: Task, backends: Sequence[BackendConfig], options: RunOptions
) -> Iterator[BackendConfig]:
    """Those that the eval does not leave out and that serve what it asks for; a named one that does not is an error."""
    service: Service = "embeddings" if task.embeds else "chat"
    for backend in backends:
        named = backend.name in definition.backends
        if definition.backends and not named and not options.every_backend:
            continue
        if backend.provider == "replay" or service in backend.serves:
            yield backend
        elif named or options.every_backend:
            msg = (
                f"{definition.path}: {definition.task} needs {service}, which backend {backend.name} does not serve: "
                f'if it does, say so in harness.toml: [backends.{backend.name}] serves = ["{service}"]'
            )
            raise ConfigError(msg)


def _split(definition: Eval, dataset: Dataset, options: RunOptions) -> str | None:
    """The split to run over. Only the default one is given up where the dataset is not split at all."""
    if dataset.splits:
        return options.split or definition.split
    wanted = options.split or (definition.split if "split" in definition.model_fields_set else None)
    if wanted not in {None, "all"}:
        msg = f"{dataset.path}: no cases in split {wanted!r}: the dataset is not split (`all` takes every case)"
        raise DatasetError(msg)
    return wanted


@dataclass
class RequestPlan:
    """What a cell asks: each case and its request; with `repeats`, each case so often, under a seed of its own.

    `path`: where the cases come from, for messages. Requests are made when they are gone through, and only so much of
    their text is kept: there may be a million of them.
    """

    definition: Eval
    task: Task
    cases: Sequence[Case]
    path: Path
    variant: Variant
    decoding: Decoding
    sampling: Sampling = field(init=False)
    """How every request is sampled, but for the seeds of repeats."""
    digest: str = field(init=False)
    """`sha256:…` of what the model sees, in whatever order the cases are."""
    _constraint: Constraint | None = field(init=False)
    _len: int = field(init=False)
    _rendered: dict[str, tuple[Message, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `ConfigError` for a case that cannot be asked."""
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
        digest, kept = hashlib.sha256(b"["), 0
        for place, case in enumerate(_by_id(self.cases)):
            messages = self._messages(case)
            turns = [[message.role, message.content] for message in messages]
            digest.update((b", " if place else b"") + _TURNS.encode([case.id, turns, *self.task.tools(case)]).encode())
            kept += sum(len(message.content) for message in messages)
            if kept <= KEPT_CHARS:
                self._rendered[case.id] = messages
        digest.update(b"]")
        return f"sha256:{digest.hexdigest()}"

    def _request(self, case: Case, messages: tuple[Message, ...], repeat: int) -> Request:
        sampling = self.sampling
        if repeat and sampling.seed is not None:
            sampling = replace(sampling, seed=sampling.seed + repeat)
        return Request(messages, sampling, repeat, self.task.tools(case), self._constraint, self.task.embeds)

    def _times(self, case: Case) -> int:
        """How often to ask. What is neither judged nor sampled has nothing to tell by being asked again."""
        return self.definition.repeats if case.expected is not None and not self.task.embeds else 1

    def _messages(self, case: Case) -> tuple[Message, ...]:
        variables = self.task.variables(case)
        if hidden := [name for name in case.inputs if variables[name] != case.inputs[name]]:
            what = f"input {hidden[0]!r} has the name of a variable that the task gives: rename it"
            msg = f"{self.path}: case {case.id}: {what}"
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
                'constrained: leave it at decoding = ["free"]'
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
    problems = [f"{dataset.path}: case {case.id}: {what}" for case in judged if (what := task.check(case))]
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DatasetError("\n".join(problems[:SHOWN]) + more)


def _check_gates(definition: Eval, cases: Sequence[Case]) -> None:
    """Raise for gates that the golden set cannot show, whatever a model answers."""
    refused = dataset_power.refusals(definition.gates, (case for case in cases if case.expected is not None))
    if refused:
        raise ConfigError("\n".join(f"{at(definition.path, each.key)}{each.reason}" for each in refused))


def contract_digest(contract: Contract, settings: Mapping[str, JSON] = NOTHING) -> str:
    """Hash of what decides how replies are read, and with a task's `settings` how they are scored."""
    fields = getattr(contract, "__dataclass_fields__", {})
    rules = {name: getattr(contract, name) for name, f in fields.items() if f.init and f.compare}
    return _digest([contract.id, rules, dict(settings)] if settings else [contract.id, rules])


def _digest(value: Any) -> str:
    text = _TURNS.encode(value)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else list(value)


_TURNS = json.JSONEncoder(sort_keys=True, ensure_ascii=True, default=_plain)
