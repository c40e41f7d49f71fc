"""A server, an open store, and no waiting between attempts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.runner.pacing import retries
from harness.store.runs import Store, open_store

from ...support.project import Project
from ...support.servers import FakeOpenAI, closing, skip_certificates


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with closing(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    opened = open_store(project.load().store_url)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
