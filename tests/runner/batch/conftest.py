"""A project whose backend is a fake server with a Batch API; waits are short."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from harness.runner.batch import cell_batch

from ...support.batches import FakeBatches
from ...support.project import CONFIG, Project
from ...support.servers import closing, skip_certificates


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)
    monkeypatch.setattr(cell_batch, "FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(cell_batch, "LONGEST_WAIT_S", 0.01)


@pytest.fixture(autouse=True)
def _ctrl_c_can_be_pressed_again() -> Iterator[None]:
    """The command line ignores a second Ctrl-C, because its process is about to end. This process is not."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def api() -> Iterator[FakeBatches]:
    """A fake server with the Batch API."""
    with closing(FakeBatches()) as fake:
        yield fake


@pytest.fixture
def batched(project: Project, api: FakeBatches) -> Project:
    """The small project with four cases in its split `test`; its backend `fake` is the fake server."""
    project.config(CONFIG.replace("http://127.0.0.1:9/v1", api.base_url) + "retries = 1\n")
    return project
