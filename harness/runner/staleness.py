"""Compare a saved run with the current prompt, dataset, contract and model of its eval.

Calls no model. Of a model only the name and the quantization in harness.toml are compared: only a run detects a
changed file or server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from harness.analysis.compare import Change, changes
from harness.analysis.compare.changes import DEFAULTS, NAMES
from harness.core.types import Case, Manifest
from harness.project import datasets
from harness.project.config import BackendConfig
from harness.project.datasets import Dataset
from harness.project.evals import Eval
from harness.project.prompts import Prompt, PromptLibrary
from harness.report.comparison_text import change_text
from harness.runner.plan import RequestPlan, contract_digest
from harness.runner.selection import select
from harness.tasks import Task, task_of

PLANNED = frozenset({"prompt", "prompt_hash", "dataset", "dataset_hash", "contract", "contract_hash", "sampling"})
"""The parts of a fingerprint that come from an eval's files."""
MOST_RENDERED = 20_000
"""Limit on the cases whose rendered messages are compared, because rendering takes long."""
RENDERED = "rendered_hash"


@dataclass(frozen=True)
class CurrentDefinition:
    """The current definition of one eval. Its files are read when a comparison needs them."""

    definition: Eval

    def changed(self, m: Manifest, backend: BackendConfig) -> tuple[Change, ...]:
        """Differences of a run from the current definition and `backend`; raises `HarnessError` for unreadable files.

        Parts that the run's fingerprint lacks are not compared.
        """
        now = {"model": backend.model, "repeats": str(self.definition.repeats)}
        if backend.quantization:
            now["quantization"] = backend.quantization
        if PLANNED & m.fingerprint.keys():
            now |= self._planned(m)
        recorded = {**DEFAULTS, **m.fingerprint}
        then = {name: recorded[name] for name in now if recorded.get(name)}
        now = {name: now[name] for name in then}
        if now.get("dataset_hash") == then.get("dataset_hash"):  # same cases, whatever the name of the folder
            now.pop("dataset", None)
            then.pop("dataset", None)
        different = changes(then, now)
        if {change.what for change in different} <= {"contract"} and RENDERED in m.fingerprint:
            # an added label also changes the prompt, so rescoring the old replies is not enough
            different += changes({RENDERED: m.fingerprint[RENDERED]}, {RENDERED: self._rendered(m)})
        return different

    def _planned(self, m: Manifest) -> dict[str, str]:
        """The parts of `Cell.fingerprint` that need no rendered messages."""
        task, variant = self._task, self._prompt.variant(m.variant)
        chosen = {name: value for name, value in self.definition.sampling if value is not None}
        return {
            "prompt": f"{self._prompt.id}/{variant.name}",
            "prompt_hash": variant.digest,
            "dataset": self._dataset.name,
            "dataset_hash": self._hash(m),
            "contract": task.contract.id,
            "contract_hash": contract_digest(task.contract, task.settings),
            "sampling": json.dumps(asdict(replace(task.sampling, **chosen)), sort_keys=True),
        }

    @cached_property
    def _task(self) -> Task:
        return task_of(self.definition)

    @cached_property
    def _prompt(self) -> Prompt:
        return PromptLibrary(self.definition.root / "prompts").load(self.definition.prompt)

    @cached_property
    def _dataset(self) -> Dataset:
        return datasets.load(self.definition.root, self.definition.dataset)

    @cached_property
    def _hashes(self) -> dict[Any, str]:
        """Computed hashes: each reads all cases."""
        return {}

    def _cases(self, m: Manifest) -> Sequence[Case]:
        """The cases that a run of the eval's split would have now."""
        split = None if self.definition.split == "all" else self.definition.split
        cases = self._dataset.select(split, None if m.selection else _limit(m))
        cases = select(cases, m.selection, m.limit) if m.selection else cases
        return (*self._task.context, *cases) if self._task.context else cases

    def _hash(self, m: Manifest) -> str:
        key = _limit(m), m.selection
        if key not in self._hashes:
            self._hashes[key] = datasets.fingerprint(self._cases(m))
        return self._hashes[key]

    def _rendered(self, m: Manifest) -> str:
        """Hash of the rendered messages; the recorded hash if there are too many cases."""
        key, cases = (m.variant, m.decoding, _limit(m), m.selection), self._cases(m)
        if len(cases) > MOST_RENDERED:
            return m.fingerprint[RENDERED]
        if key not in self._hashes:
            variant = self._prompt.variant(m.variant)
            requests = RequestPlan(self.definition, self._task, cases, self._dataset.path, variant, m.decoding)
            self._hashes[key] = requests.digest
        return self._hashes[key]


def _limit(m: Manifest) -> int | None:
    """The limit of the cases that a fingerprint covers. A run that stopped early has the one of the whole split."""
    return None if m.until_decided else m.limit


def sentence(cell: str, changed: Sequence[Change]) -> str:
    """All differences in one sentence: `the run of local@mistral is outdated: model a, now b`."""
    parts = [_WORDING.get(change.what, _other)(change) for change in changed]
    return f"the run of {cell} is outdated: {'; '.join(parts)}"


def _values(change: Change) -> dict[str, tuple[str, str]]:
    return {name: (then, now) for name, then, now in change.parts}


def _model(change: Change) -> str:
    values = _values(change)
    return "; ".join(f"{name} {then}, now {now}" for name, (then, now) in values.items())


def _prompt(change: Change) -> str:
    if "prompt" in (values := _values(change)):
        return "prompt {}, now {}".format(*values["prompt"])
    return "the text of its prompt has changed"


def _dataset(change: Change) -> str:
    if "dataset" in (values := _values(change)):
        return "dataset {}, now {}".format(*values["dataset"])
    return "the cases of its dataset have changed"


def _contract(change: Change) -> str:
    if "contract" in (values := _values(change)):
        return "contract {}, now {}".format(*values["contract"])
    return "labels or contract settings have changed"


def _sampling(change: Change) -> str:
    then, now = (json.loads(value) for value in _values(change)["sampling"])
    differing = [name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]
    values = ", ".join(f"{name} {json.dumps(then.get(name))}, now {json.dumps(now.get(name))}" for name in differing)
    return f"sampling has changed ({values})"


def _repeats(change: Change) -> str:
    return "repeats = {}, now {}".format(*_values(change)["repeats"])


def _messages(_change: Change) -> str:
    return "the rendered messages have changed"


def _other(change: Change) -> str:
    return f"changed: {change_text(change)}"


_WORDING = {
    "model": _model,
    "prompt": _prompt,
    "dataset": _dataset,
    "contract": _contract,
    "sampling": _sampling,
    "repeats": _repeats,
    NAMES[RENDERED]: _messages,
}
