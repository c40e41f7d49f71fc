"""A vLLM server: the OpenAI protocol, plus `/version` for the fingerprint and decoding under constraints of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.backends import constrained_decoding as constraints
from harness.backends.http.transport import Transport
from harness.backends.local.models import Progress
from harness.backends.providers import openai
from harness.core.types import Constraint, ModelInfo
from harness.project.config import BackendConfig

DEFAULT_URL = "http://localhost:8000/v1"
SINCE = (0, 11)
"""The first version that takes `structured_outputs`; 0.12 is the first that ignores `guided_choice` and its like."""


class Options(openai.Options):
    """Keys of `[backends.x]` for provider vllm, beside those of openai.

    `structured`: which parameter constrains decoding, where the server's version does not tell.
    """

    structured: Literal["structured_outputs", "guided"] | None = None


class VLLMBackend(openai.OpenAIBackend):
    """One model of a vLLM server."""

    concurrency = 128
    bare_choices = True

    def __init__(self, config: BackendConfig, *, transport: Transport | None = None) -> None:
        """`config.base_url` is given; `transport` replaces the one made from it."""
        super().__init__(config, transport=transport)
        self._structured = Options.model_validate(config.options).structured or "structured_outputs"

    async def identify(self) -> ModelInfo:
        """The model that is loaded, and the version of the engine that runs it."""
        info = await super().identify()
        version = await self._side(urlsplit(self.url).path.removesuffix("/v1") + "/version")
        found = str(version.get("version", "")) if isinstance(version, dict) else ""
        numbers = re.match(r"v?(\d+)\.(\d+)", found)
        if numbers and "structured" not in self.config.options:
            told = (int(numbers[1]), int(numbers[2]))
            # a development build of no release calls itself 0.1.dev…
            self._structured = "guided" if (0, 1) < told < SINCE else "structured_outputs"
        return replace(info, engine="vllm", engine_version=found)

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        return constraints.structured_outputs(constraint, guided=self._structured == "guided")


def connect(config: BackendConfig, _progress: Progress | None = None) -> VLLMBackend:
    """A backend for `config`; the server is on this machine unless `base_url` says otherwise."""
    return VLLMBackend(config.model_copy(update={"base_url": config.base_url or DEFAULT_URL}))
