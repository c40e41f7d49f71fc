"""A vLLM server: the OpenAI protocol, plus `/version` for the fingerprint."""

from __future__ import annotations

from dataclasses import replace

from harness.backends._http import get_json
from harness.backends.openai import OpenAIBackend, Options
from harness.config import BackendConfig
from harness.models import Progress
from harness.types import ModelInfo

__all__ = ["Options", "connect"]

DEFAULT_URL = "http://localhost:8000/v1"


class VLLMBackend(OpenAIBackend):
    """One model of a vLLM server."""

    concurrency = 32

    async def identify(self) -> ModelInfo:
        """The model that is loaded, and the version of the engine that runs it."""
        info = await super().identify()
        root = str(self._client.base_url).rstrip("/").removesuffix("/v1")
        version = await get_json(f"{root}/version", {"authorization": f"Bearer {self._key}"})
        found = str(version.get("version", "")) if isinstance(version, dict) else ""
        return replace(info, engine="vllm", engine_version=found)


def connect(config: BackendConfig, _progress: Progress | None = None) -> VLLMBackend:
    """A backend for `config`; the server is on this machine unless `base_url` says otherwise."""
    return VLLMBackend(config.model_copy(update={"base_url": config.base_url or DEFAULT_URL}))
