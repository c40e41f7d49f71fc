"""Every exception that stops a run, in one tree.

    HarnessError                    exit 2
    ├── ConfigError                 a file the user wrote: TOML, prompt, dataset, eval
    │   ├── PromptError
    │   └── DatasetError
    ├── BackendError                a model that cannot be asked at all
    │   └── BackendUnavailable      no key, no server, no model: skipped where it comes from the defaults
    ├── AllBackendsFailed           a routed call that nobody has answered
    ├── MissingExtra                an optional package that is not installed
    ├── BudgetExhausted             exit 3, what was answered is saved
    ├── StoreError                  the run database: corrupt, locked, disk full
    └── Interrupted                 exit 130, what was answered is saved
        └── Terminated              exit 143, the same by SIGTERM

A call that fails is not here: it is data (`types.CallError`). The message of each says what is wrong, where, and what
to do about it, on one line, because that line is all that the user sees.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Something the user can mend. `exit_code` is what the command line ends with."""

    exit_code = 2


class ConfigError(HarnessError):
    """A file that the user wrote is wrong. The message starts with `path:line:` where the line is known."""


class PromptError(ConfigError):
    """A prompt is missing, does not render, or was changed after its release."""


class DatasetError(ConfigError):
    """A golden dataset is missing or has rows that cannot be trusted."""


class BackendError(HarnessError):
    """A backend cannot serve the run: wrong key, unknown model, unreadable file."""


class BackendUnavailable(BackendError):
    """A backend is not there now: no key in the environment, no server listening, model not pulled."""


class AllBackendsFailed(HarnessError):
    """A routed call that nobody has answered. `causes`: each backend that was to be asked, and why it did not answer.

    Each cause is `(backend, kind, message)`; the kinds are those of `types.CallError`, and those of docs/routing.md.
    """

    def __init__(self, task: str, causes: tuple[tuple[str, str, str], ...]) -> None:
        """The message names them all, on one line."""
        told = "; ".join(f"{backend}: {kind}: {message}" for backend, kind, message in causes)
        super().__init__(f"task {task}: no backend has answered: {told}")
        self.task = task
        self.causes = causes


class MissingExtra(HarnessError):
    """An optional package is not installed. The message ends with the pip command that installs its extra."""


class BudgetExhausted(HarnessError):
    """The next call could cost more than is left of `--budget`. Everything answered so far is in the store."""

    exit_code = 3


class StoreError(HarnessError):
    """The run store cannot be read or written."""


class Interrupted(HarnessError):
    """Ctrl-C. Everything answered so far is in the store."""

    exit_code = 130


class Terminated(Interrupted):
    """SIGTERM: a supervisor's Ctrl-C."""

    exit_code = 143
