"""What the tests of backends share."""

from __future__ import annotations

import socket

import pytest

from ..support.servers import skip_certificates


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)


@pytest.fixture
def unused_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
