"""Whether a saved run is still of today's prompt, dataset, contract and model: what it would be of, were it made now.

Nobody is asked. What a model is beyond its name and the quantization that harness.toml tells
(the bytes of a file, what a server has loaded) shows only when it is asked, so it is not looked at.
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
from harness.tasks import Task, task_of

PLANNED = frozenset({"prompt", "prompt_hash", "dataset", "dataset_hash", "contract", "contract_hash", "sampling"})
"""The parts of a fingerprint for which an eval's files are read."""
MOST_RENDERED = 20_000
"""With more cases it is not looked at whether the prompt still makes the same messages of them: that takes long."""
RENDERED = "rendered_hash"


@dataclass(frozen=True)
class CurrentDefinition:
    """One eval as its files are now. They are read when a run is looked at that tells something of them."""

    definition: Eval

    def changed(self, m: Manifest, backend: BackendConfig) -> tuple[Change, ...]:
        """What of a run of `backend` is not as it is today; raises `HarnessError` for files that cannot be read.

        A part that the run does not tell is not compared.
        """
        now = {"model": backend.model, "repeats": str(self.definition.repeats)}
        if backend.quantization:
            now["quantization"] = backend.quantization
        if PLANNED & m.fingerprint.keys():
            now |= self._planned(m)
        told = {**DEFAULTS, **m.fingerprint}
        then = {name: told[name] for name in now if told.get(name)}
        now = {name: now[name] for name in then}
        if now.get("dataset_hash") == then.get("dataset_hash"):  # the same cases, whatever their folder is called
            now.pop("dataset", None)
            then.pop("dataset", None)
        found = changes(then, now)
        if {one.what for one in found} <= {"contract"} and RENDERED in m.fingerprint:
            # a label that was added is in the prompt, too: to read the old replies again would not do
            found += changes({RENDERED: m.fingerprint[RENDERED]}, {RENDERED: self._rendered(m)})
        return found

    def _planned(self, m: Manifest) -> dict[str, str]:
        """The parts of `Cell.fingerprint` that need no rendering."""
        task, variant = self._task, self._prompt.variant(m.variant)
        chosen = {name: value for name, value in self.definition.sampling if value is not None}
        return {
            "prompt": f"{self._prompt.id}/{variant.name}",
            "prompt_hash": variant.digest,
            "dataset": self._dataset.name,
            "dataset_hash": self._hash(m.limit),
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
    def _told(self) -> dict[Any, str]:
        """Hashes that were made: each takes all cases."""
        return {}

    def _cases(self, limit: int | None) -> Sequence[Case]:
        """Of the eval's split."""
        split = None if self.definition.split == "all" else self.definition.split
        cases = self._dataset.select(split, limit)
        return (*self._task.context, *cases) if self._task.context else cases

    def _hash(self, limit: int | None) -> str:
        if limit not in self._told:
            self._told[limit] = datasets.fingerprint(self._cases(limit))
        return self._told[limit]

    def _rendered(self, m: Manifest) -> str:
        """Of what the model would see; as the run tells it where there are too many cases."""
        key, cases = (m.variant, m.decoding, m.limit), self._cases(m.limit)
        if len(cases) > MOST_RENDERED:
            return m.fingerprint[RENDERED]
        if key not in self._told:
            variant = self._prompt.variant(m.variant)
            asks = RequestPlan(self.definition, self._task, cases, self._dataset.path, variant, m.decoding)
            self._told[key] = asks.digest
        return self._told[key]


def sentence(cell: str, changed: Sequence[Change]) -> str:
    """`the run of local@mistral is of model a, today's is b`; all that differs, cause by cause."""
    told = [_SAID.get(one.what, _other)(one) for one in changed]
    return f"the run of {cell} is {'; '.join(told)}"


def _values(one: Change) -> dict[str, tuple[str, str]]:
    return {name: (then, now) for name, then, now in one.parts}


def _model(one: Change) -> str:
    values = _values(one)
    return "; ".join(f"of {name} {then}, today's is {now}" for name, (then, now) in values.items())


def _prompt(one: Change) -> str:
    if "prompt" in (values := _values(one)):
        return "of prompt {}, today's is {}".format(*values["prompt"])
    return "of an earlier text of its prompt"


def _dataset(one: Change) -> str:
    if "dataset" in (values := _values(one)):
        return "over dataset {}, today's is {}".format(*values["dataset"])
    return "over other cases than today's dataset has"


def _contract(one: Change) -> str:
    if "contract" in (values := _values(one)):
        return "read by contract {}, today's is {}".format(*values["contract"])
    return "read by other rules than today's: labels, or settings of the contract"


def _sampling(one: Change) -> str:
    then, now = (json.loads(value) for value in _values(one)["sampling"])
    differing = [name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]
    told = ", ".join(f"{name} {json.dumps(then.get(name))}, today {json.dumps(now.get(name))}" for name in differing)
    return f"sampled otherwise ({told})"


def _repeats(one: Change) -> str:
    return "with repeats = {}, today's is {}".format(*_values(one)["repeats"])


def _messages(_one: Change) -> str:
    return "of other messages than today's prompt makes of the cases"


def _other(one: Change) -> str:
    return f"not as today: {change_text(one)}"


_SAID = {
    "model": _model,
    "prompt": _prompt,
    "dataset": _dataset,
    "contract": _contract,
    "sampling": _sampling,
    "repeats": _repeats,
    NAMES[RENDERED]: _messages,
}
