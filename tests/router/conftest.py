"""Two fake servers on loopback, and a project whose task `triage` goes to the first, then to the second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.project.config import load
from harness.router import ModelRouter
from harness.store.runs import open_store
from harness.store.traffic import RoutedCall, read

from ..support.lean import Lean
from ..support.project import Project
from ..support.servers import skip_certificates

CONFIG = """\
[backends.home]
provider = "openai"
model = "fake-model"
base_url = "{local}"
variant = "local"

[backends.api]
provider = "openai"
model = "fake-model"
base_url = "{api}"
variant = "gpt"
prompt_usd = 1000.0
completion_usd = 1000.0
"""

ROUTING = """\
[tiers]
local = "home"
api_frontier = "api"

[tasks.triage]
tiers = ["local", "api_frontier"]
deadline_s = 2.0
{route}

[probe]
every_s = 0.1
start_s = 1.0
"""

MESSAGES: list[Any] = [{"role": "user", "content": "I was charged twice"}]


class Desk:
    """The project, its two fake servers, and the calls in its store."""

    def __init__(self, project: Project, local: Lean, api: Lean) -> None:
        """Write the files."""
        self.project = project
        self.local = local
        self.api = api
        self.config()
        self.routing()

    @property
    def path(self) -> Path:
        """`routing.toml`."""
        return self.project.root / "routing.toml"

    def config(self, extra: str = "") -> None:
        """Write `harness.toml`."""
        self.project.config(CONFIG.format(local=self.local.base_url, api=self.api.base_url) + extra)

    def routing(self, route: str = "", *, text: str = ROUTING) -> None:
        """Write `routing.toml`, with `route` as additional keys of the task."""
        self.project.write("routing.toml", text.replace("{route}", route))

    def router(self) -> ModelRouter:
        """A router that is not started."""
        return ModelRouter.from_file(self.path)

    def calls(self) -> list[RoutedCall]:
        """Return the logged calls."""
        store = open_store(load(self.project.root).store_url)
        try:
            return list(read(store))
        finally:
            store.close()


@pytest.fixture
def desk(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Both servers are up and answer `billing`."""
    skip_certificates(monkeypatch)
    local, api = Lean(), Lean()
    yield Desk(project, local, api)
    local.kill()
    api.kill()
