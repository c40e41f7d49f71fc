"""Every exception that stops a run, in one tree.

    HarnessError                    exit 2
    ├── ConfigError                 a file that the user wrote: TOML, prompt, dataset, eval
    │   ├── PromptError
    │   └── DatasetError
    ├── BackendError                a backend that cannot serve any call: wrong key, unknown model
    │   └── BackendUnavailable      no key, no server, no model; skipped unless the user named the backend
    ├── AllBackendsFailed           a routed call that no backend answered
    ├── MissingExtra                an optional package that is not installed
    ├── BudgetExhausted             exit 3; results so far are saved
    ├── StoreError                  the run database: corrupt, locked, disk full
    └── Interrupted                 exit 130 (Ctrl-C); results so far are saved
        └── Terminated              exit 143 (SIGTERM); results so far are saved

A failed call is not an exception but data (`types.CallError`). Each message says on one line what happened, where, and
what to do: this line is all that the user sees.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Base of all errors that the user can fix. `exit_code` is the exit code of the command line."""

    exit_code = 2

    @property
    def message(self) -> str:
        """The text without the parts that are also fields of the error, such as the backend's name."""
        return str(self)


class ConfigError(HarnessError):
    """A file that the user wrote is wrong. The message starts with `path:line:` if the line is known."""


class PromptError(ConfigError):
    """A prompt is missing, does not render, or was changed after its release."""


class DatasetError(ConfigError):
    """A golden dataset is missing or has invalid rows."""


class BackendError(HarnessError):
    """A backend cannot serve the run: wrong key, unknown model, unreadable file.

    `backend`: its name in harness.toml, `None` if the error belongs to no backend (a model file, a command).
    `kind`: the kind under which the router reports it, as in `types.CallError`.
    """

    def __init__(self, message: str, *, backend: str | None = None, kind: str = "refused") -> None:
        super().__init__(message)
        self.backend = backend
        self.kind = kind

    @property
    def message(self) -> str:
        """The text without the backend's name."""
        return super().__str__()

    def __str__(self) -> str:
        return self.message if self.backend is None else f"backend {self.backend}: {self.message}"


class BackendUnavailable(BackendError):
    """A backend is not there now: no key in the environment, no server listening, model not pulled."""


class AllBackendsFailed(HarnessError):
    """A routed call that no backend answered.

    `causes`: `(backend, kind, message)` of each backend of the task. docs/routing.md and
    `types.CallError` list the kinds.
    """

    def __init__(self, task: str, causes: tuple[tuple[str, str, str], ...]) -> None:
        """The message names all causes, on one line."""
        reasons = "; ".join(f"{backend}: {kind}: {message}" for backend, kind, message in causes)
        super().__init__(f"task {task}: no backend has answered: {reasons}")
        self.task = task
        self.causes = causes


class MissingExtra(HarnessError):
    """An optional package is not installed. The message ends with the pip command that installs its extra."""


class BudgetExhausted(HarnessError):
    """The next call could exceed `--budget`. Results so far are in the store."""

    exit_code = 3


class StoreError(HarnessError):
    """The run store cannot be read or written."""


class Interrupted(HarnessError):
    """Ctrl-C. Results so far are in the store."""

    exit_code = 130


class Terminated(Interrupted):
    """SIGTERM, the Ctrl-C of a process supervisor. Results so far are in the store."""

    exit_code = 143
