"""An open project: its configuration and its run store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import backends
from harness.project import config, pricing
from harness.project.config import Config
from harness.store.runs import Store, open_store


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with `harness.toml`, and its run store. A context manager that closes the store.

    >>> with Project.open(folder) as project:
    ...     [run.manifest.cell for run in project.store.latest("triage")]
    ['gpt@fake', 'local@fake']
    """

    config: Config
    """The parsed `harness.toml`."""
    store: Store
    """The open run store."""

    @classmethod
    def open(cls, root: Path | str | None = None, *, read_only: bool = False) -> Self:
        """Open the project that contains the folder `root`, by default the working directory.

        `read_only`: create no store folder except the default `.harness`. Raises `ConfigError` for an invalid
        harness.toml, `StoreError` if the store cannot be opened.
        """
        found = config.load(Path(root) if root is not None else None)
        backends.check(found)
        pricing.check(found)
        return cls(found, open_store(found.store_url, home=found.root / ".harness" if read_only else None))

    @property
    def root(self) -> Path:
        """The folder of `harness.toml`."""
        return self.config.root

    def close(self) -> None:
        """Close the run store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
