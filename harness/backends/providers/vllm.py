"""A vLLM server: the OpenAI protocol, plus `/version` for the fingerprint and decoding under constraints of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from harness.backends import constrained_decoding as constraints
from harness.backends.http.transport import Transport
from harness.backends.providers import openai
from harness.core.plugins import ProviderCapabilities
from harness.core.types import Constraint, ModelInfo
from harness.project.config import BackendConfig

SINCE = (0, 11)
"""The first version that takes `structured_outputs`; 0.12 is the first that ignores `guided_choice` and its like."""


class VLLMOptions(openai.OpenAIOptions):
    """Keys of `[backends.x]` for provider vllm, beside those of openai.

    `structured`: which parameter constrains decoding, where the server's version does not tell.
    """

    structured: Literal["structured_outputs", "guided"] | None = None


class VLLMBackend(openai.OpenAIBackend):
    """One model of a vLLM server."""

    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(
        default_url="http://localhost:8000/v1", needs_key=False, request_files=True, litellm_prefix="hosted_vllm"
    )
    options_class: ClassVar[type[VLLMOptions]] = VLLMOptions
    concurrency = 128
    bare_choices = True

    def __init__(self, config: BackendConfig, *, transport: Transport | None = None) -> None:
        """`config.base_url` is given; `transport` replaces the one made from it."""
        super().__init__(config, transport=transport)
        self._structured = self.options_class.model_validate(config.options).structured or "structured_outputs"

    async def identify(self) -> ModelInfo:
        """The model that is loaded, and the version of the engine that runs it."""
        info = await super().identify()
        version = await self._server_page(urlsplit(self.url).path.removesuffix("/v1") + "/version")
        found = str(version.get("version", "")) if isinstance(version, dict) else ""
        numbers = re.match(r"v?(\d+)\.(\d+)", found)
        if numbers and "structured" not in self.config.options:
            told = (int(numbers[1]), int(numbers[2]))
            # a development build of no release calls itself 0.1.dev…
            self._structured = "guided" if (0, 1) < told < SINCE else "structured_outputs"
        return replace(info, engine="vllm", engine_version=found)

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        return constraints.structured_outputs(constraint, guided=self._structured == "guided")


PROVIDER = VLLMBackend
