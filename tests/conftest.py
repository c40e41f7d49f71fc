"""What every test gets: an environment without the caller's keys and servers, and a small project to spoil."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Before anything imports the Hugging Face libraries: they read these once. No test may reach for the hub.
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="harness-tests-hf-")

from .support.project import Project  # noqa: E402

KEPT = {"HARNESS_CACHE_DIR"}
"""Where the embedded model may already be; the tests marked `model` need it."""

FOREIGN = ("OPENAI_", "OLLAMA_", "VLLM_", "HARNESS_", "ANTHROPIC_", "AZURE_OPENAI_")
LOOPBACK = "localhost,127.0.0.1,::1"


@pytest.fixture(autouse=True)
def _no_environment_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(FOREIGN) and name not in KEPT:
            monkeypatch.delenv(name)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, LOOPBACK)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that works: three labels, one backend, a prompt pair, six cases (four of them in the split `test`)."""
    return Project(tmp_path)
