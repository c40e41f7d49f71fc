"""From eval files to cells: everything that can be wrong is found here, before any model is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness import datasets
from harness.config import BackendConfig
from harness.contracts import Contract
from harness.datasets import Dataset
from harness.errors import ConfigError, DatasetError
from harness.evals import Eval
from harness.prompts import Library, Prompt, Variant
from harness.tasks import Task, task_of
from harness.types import Case, Request, Sampling

SHOWN = 5


@dataclass(frozen=True)
class Cell:
    """One variant on one backend, and the requests that its run will make."""

    definition: Eval
    task: Task
    prompt: Prompt
    variant: Variant
    backend: BackendConfig
    dataset: Dataset
    cases: tuple[Case, ...]
    requests: tuple[Request, ...]
    split: str | None
    limit: int | None

    @property
    def name(self) -> str:
        """`variant@backend`."""
        return f"{self.variant.name}@{self.backend.name}"

    @property
    def sampling(self) -> Sampling:
        """How every request is sampled."""
        return self.requests[0].sampling

    @property
    def is_own(self) -> bool:
        """The variant is the one that the backend is tuned for: the cell that production would use."""
        return self.variant.name == self.backend.variant

    def fingerprint(self) -> dict[str, str]:
        """What of a run's identity is known before the backend is asked."""
        return {
            "prompt": f"{self.prompt.id}/{self.variant.name}",
            "prompt_hash": self.variant.digest,
            "rendered_hash": _rendered(self.cases, self.requests),
            "dataset": self.dataset.name,
            "dataset_hash": datasets.fingerprint(self.cases),
            "contract": self.task.contract.id,
            "contract_hash": contract_digest(self.task.contract),
            "sampling": json.dumps(asdict(self.sampling), sort_keys=True),
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the matrix is wanted. Empty `variants`: all that the prompt has.

    `every_backend`: those too that an eval's `backends` leaves out, because the user named them.
    """

    variants: tuple[str, ...] = ()
    own_variant_only: bool = False
    version: str | None = None
    split: str | None = None
    limit: int | None = None
    every_backend: bool = False


def plan(
    root: Path, definitions: Sequence[Eval], backends: Sequence[BackendConfig], selection: Selection
) -> list[Cell]:
    """The cells of the matrix, eval by eval; raises `ConfigError` for whatever would go wrong later."""
    library = Library(root / "prompts")
    cells: list[Cell] = []
    for definition in definitions:
        task = task_of(definition)
        prompt = library.load(definition.prompt, version=selection.version)
        dataset = datasets.load(root, definition.dataset)
        split = _split(definition, dataset, selection)
        cases = dataset.select(None if split == "all" else split, selection.limit)
        _check_expected(task, dataset, cases)
        for backend in backends:
            if definition.backends and backend.name not in definition.backends and not selection.every_backend:
                continue
            if backend.provider != "replay":
                prompt.variant(backend.variant)  # a misspelt one would leave every gate unjudged
            own = selection.own_variant_only or backend.provider == "replay"  # a saved run has answers to one variant
            wanted = selection.variants or ((backend.variant,) if own else tuple(prompt.variants))
            for name in wanted:
                variant = prompt.variant(name)
                requests = tuple(_requests(definition, task, variant, cases, dataset.path))
                cells.append(
                    Cell(definition, task, prompt, variant, backend, dataset, cases, requests, split, selection.limit)
                )
    return cells


def _split(definition: Eval, dataset: Dataset, selection: Selection) -> str | None:
    """The split to run over. Only the default one is given up where the dataset is not split at all."""
    if dataset.splits:
        return selection.split or definition.split
    wanted = selection.split or (definition.split if "split" in definition.model_fields_set else None)
    if wanted not in {None, "all"}:
        msg = f"{dataset.path}: no cases in split {wanted!r}: the dataset is not split (`all` takes every case)"
        raise DatasetError(msg)
    return wanted


def _requests(definition: Eval, task: Task, variant: Variant, cases: Sequence[Case], path: Path) -> list[Request]:
    chosen = {name: value for name, value in definition.sampling if value is not None}
    sampling = replace(task.sampling, **chosen)
    requests = []
    for case in cases:
        variables = task.variables(case)
        if hidden := [name for name in case.inputs if variables[name] != case.inputs[name]]:
            msg = (
                f"{path}: case {case.id}: input {hidden[0]!r} has the name of a variable that the task gives: rename it"
            )
            raise DatasetError(msg)
        try:
            requests.append(Request(variant.render(variables), sampling))
        except ConfigError as error:
            msg = f"{error} (case {case.id})"
            raise type(error)(msg) from None
    return requests


def _check_expected(task: Task, dataset: Dataset, cases: Sequence[Case]) -> None:
    problems = [f"{dataset.path}: case {case.id}: {what}" for case in cases if (what := task.check(case))]
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DatasetError("\n".join(problems[:SHOWN]) + more)


def contract_digest(contract: Contract) -> str:
    """Hash of a contract's settings."""
    fields = getattr(contract, "__dataclass_fields__", {})
    settings = {name: getattr(contract, name) for name, f in fields.items() if f.init and f.compare}
    return _digest([contract.id, settings])


def _rendered(cases: Sequence[Case], requests: Sequence[Request]) -> str:
    """Hash of what the model sees, in whatever order; how it is sampled has its own place in the fingerprint."""
    turns = [[[message.role, message.content] for message in request.messages] for request in requests]
    return _digest(sorted([case.id, asked] for case, asked in zip(cases, turns, strict=True)))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=_plain)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else list(value)
