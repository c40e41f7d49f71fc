"""A fake server instead of the hosted service, and one request to it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.types import Response

from ...support.backend_calls import ask, configured
from ...support.servers import FakeOpenAI, Reply

KEY = "sk-a-key-of-the-tests-0123456789"


@pytest.fixture
def hosted(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    """The fake server instead of api.openai.com: without base_url, the SDK reads this variable."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return server


def reply_to_one(server: FakeOpenAI, reply: Reply, **config: Any) -> Response:
    server.next(reply)
    return ask(configured("openai", server.base_url, **config))[0]
