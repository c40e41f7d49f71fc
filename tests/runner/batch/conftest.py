"""A project whose backend has a (fake) Batch API, and no waiting."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from harness.runner.batch import backend

from ...support.batches import FakeBatches
from ...support.project import CONFIG, Project
from ...support.servers import closing, skip_certificates


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)
    monkeypatch.setattr(backend, "FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(backend, "LONGEST_WAIT_S", 0.01)


@pytest.fixture(autouse=True)
def _ctrl_c_can_be_pressed_again() -> Iterator[None]:
    """The command line ignores it once it has been pressed: the process is about to end, which this one is not."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def api() -> Iterator[FakeBatches]:
    """A server with the Batch API."""
    with closing(FakeBatches()) as fake:
        yield fake


@pytest.fixture
def batched(project: Project, api: FakeBatches) -> Project:
    """The small project, four cases in its split `test`; its backend `fake` is that server."""
    project.config(CONFIG.replace("http://127.0.0.1:9/v1", api.base_url) + "retries = 1\n")
    return project
