"""A vLLM server: the OpenAI protocol, `/version` for the fingerprint, and vLLM's constrained decoding."""

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
"""First version with `structured_outputs`; from 0.12 on, `guided_choice` and the like are ignored."""


class VLLMOptions(openai.OpenAIOptions):
    """Keys of `[backends.NAME]` for provider vllm, in addition to the keys of openai.

    `structured`: the parameter for constrained decoding, if the server reports no usable version.
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
        """`config.base_url` is set; `transport` replaces the default transport."""
        super().__init__(config, transport=transport)
        self._structured = self.options_class.model_validate(config.options).structured or "structured_outputs"

    async def identify(self) -> ModelInfo:
        """The loaded model, and the version of the engine."""
        info = await super().identify()
        version = await self._server_page(urlsplit(self.url).path.removesuffix("/v1") + "/version")
        engine_version = str(version.get("version", "")) if isinstance(version, dict) else ""
        numbers = re.match(r"v?(\d+)\.(\d+)", engine_version)
        if numbers and "structured" not in self.config.options:
            release = (int(numbers[1]), int(numbers[2]))
            # A development build without a release reports 0.1.dev…
            self._structured = "guided" if (0, 1) < release < SINCE else "structured_outputs"
        return replace(info, engine="vllm", engine_version=engine_version)

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        return constraints.structured_outputs(constraint, guided=self._structured == "guided")


PROVIDER = VLLMBackend
