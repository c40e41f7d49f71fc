"""Plug-ins: modules of a package, found by their file names, and their capabilities.

A provider, a task kind and a contract are one file each. The file names its class in one constant:

    harness/backends/providers/NAME.py    PROVIDER = a class with `capabilities`, `options_class`, `connect`
    harness/tasks/NAME.py                 TASK = a class with `capabilities`, `options_class`, `build`
    harness/contracts/NAME.py             CONTRACT = a class with `options_class`, `from_options`, `read`

A folder of that name works too; its module `provider`, `task` or `contract` has the constant.

The capabilities are here because rooms below the plug-ins use them (prices, reports, statistics). The registries
import a plug-in on first use, so no import runs upward and `harness --help` loads no plug-in.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class ProviderCapabilities:
    """Capabilities of a provider's backends, known without a connection.

    `hosted_url`: the paid service that is called unless `base_url` names a server. `hosted_url_variable`: environment
    variable that replaces this address. `default_url`: the server that is called unless `base_url` names another.
    `key_variable`: environment variable with the API key; a hosted service's key is never sent to another server.
    `needs_key`: a missing key is an error. `batch_api`: accepts batches for `run --batch`. `request_files`: its
    requests can be exported to files. `loads_model_file`: runs a GGUF file inside this process. `replays`: returns
    saved replies, so that it serves requests of any kind. `litellm_prefix`: name of the provider in LiteLLM,
    empty if LiteLLM cannot call it.
    """

    hosted_url: str | None = None
    hosted_url_variable: str = ""
    default_url: str | None = None
    key_variable: str | None = None
    needs_key: bool = True
    batch_api: bool = False
    request_files: bool = False
    loads_model_file: bool = False
    replays: bool = False
    litellm_prefix: str = ""


@dataclass(frozen=True, slots=True)
class TaskCapabilities:
    """Capabilities of all tasks of a kind, known without an eval.

    `embeds`: requests ask for vectors instead of replies. `scores_together`: scores need all replies of a run, by
    `judge`. `single_label`: the answer is one label out of a list. `has_fields`: the answer is a record whose fields
    are counted one by one. `is_retrieval`: a case expects graded passages. `calls_tools`: replies call functions.
    `free_text`: a right answer has many wordings, which needs an LLM judge. `reviewable`: a person's label of a
    production reply, right or wrong, measures the same as the eval's score. `sections`: report sections for such tasks
    only.
    """

    embeds: bool = False
    scores_together: bool = False
    single_label: bool = False
    has_fields: bool = False
    is_retrieval: bool = False
    calls_tools: bool = False
    free_text: bool = False
    reviewable: bool = True
    sections: frozenset[str] = frozenset()


class PluginRegistry:
    """The plug-ins of one package, by name."""

    def __init__(self, package: str, constant: str, *, mixed: bool = False) -> None:
        """`constant`: the name under which a module gives its class. `mixed`: the package also has other modules."""
        self._package = package
        self._constant = constant
        self._mixed = mixed

    def names(self) -> list[str]:
        """All names, sorted."""
        path = importlib.import_module(self._package).__path__
        names = sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))
        return [name for name in names if hasattr(self._module(name), self._constant)] if self._mixed else names

    def load(self, name: str) -> Any:
        """The class of plug-in `name`; raises `KeyError` for an unknown name."""
        if name not in self.names():
            raise KeyError(name)
        return getattr(self._module(name), self._constant)

    def _module(self, name: str) -> ModuleType:
        module = importlib.import_module(f"{self._package}.{name}")
        inner = self._constant.lower()
        if any(entry.name == inner for entry in pkgutil.iter_modules(getattr(module, "__path__", ()))):
            return importlib.import_module(f"{module.__name__}.{inner}")
        return module


PROVIDERS = PluginRegistry("harness.backends.providers", "PROVIDER")
TASKS = PluginRegistry("harness.tasks", "TASK")
CONTRACTS = PluginRegistry("harness.contracts", "CONTRACT", mixed=True)


@cache
def provider_capabilities(name: str) -> ProviderCapabilities:
    """The capabilities of provider `name`; defaults for an unknown name, as in an old run."""
    if name not in PROVIDERS.names():
        return ProviderCapabilities()
    capabilities: ProviderCapabilities = PROVIDERS.load(name).capabilities
    return capabilities


@cache
def task_capabilities(kind: str) -> TaskCapabilities:
    """The capabilities of task kind `kind`; defaults for an unknown kind, as in an imported run."""
    if kind not in TASKS.names():
        return TaskCapabilities()
    capabilities: TaskCapabilities = TASKS.load(kind).capabilities
    return capabilities
