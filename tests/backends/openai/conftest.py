"""The hosted service, played by a fake server, and one question to it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.types import Response

from ...support.backend_calls import ask, configured
from ...support.servers import FakeOpenAI, Reply

KEY = "sk-a-key-of-the-tests-0123456789"


@pytest.fixture
def hosted(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    """The server in the place of api.openai.com: the SDK looks at this variable where there is no base_url."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return server


def reply_to_one(server: FakeOpenAI, reply: Reply, **config: Any) -> Response:
    server.next(reply)
    return ask(configured("openai", server.base_url, **config))[0]
