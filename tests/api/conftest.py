"""A project on disk whose only backend is a fake server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.project import Project
from ..support.running import config_of
from ..support.servers import FakeOpenAI, closing, skip_certificates


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    skip_certificates(monkeypatch)
    with closing(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def folder(project: Project, server: FakeOpenAI) -> Path:
    project.config(config_of(url=server.base_url))
    return project.root
