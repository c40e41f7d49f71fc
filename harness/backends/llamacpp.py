"""llama.cpp in this process, by `xllamacpp`: nothing to install, nothing to start.

The engine listens on a loopback port that it chooses itself and is asked over the same protocol as any other server, so
that an embedded model and a served one take the same way through the harness.
"""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import openai
from pydantic import Field

from harness import gguf, models
from harness.backends.openai import OpenAIBackend
from harness.config import BackendConfig, Strict
from harness.errors import BackendError
from harness.types import ModelInfo, Request, Response

if TYPE_CHECKING:
    import xllamacpp

LOOPBACK_KEY = "embedded"


class Options(Strict):
    """Keys of `[backends.x]` for provider llamacpp.

    `reproducible`: the same prompt gets the same reply whatever was asked before it. By default llama.cpp rounds
    differently with what else is in the batch and in the prefix cache, which is enough to change a word of a long reply;
    that default is kept because it is how every other llama.cpp server answers.
    """

    reproducible: bool = False
    n_ctx: int = Field(default=4096, ge=128)
    n_threads: int | None = Field(default=None, ge=1)
    n_gpu_layers: int = -1


class LlamaCppBackend:
    """A GGUF file and the engine that runs it. Loaded on first use; one per process is meant to run at a time."""

    warm_up = True
    exclusive = True

    def __init__(self, config: BackendConfig, progress: models.Progress | None = None) -> None:
        """`progress` hears about the file's bytes where it has to be fetched."""
        self.config = config
        self.options = Options.model_validate(config.options)
        self.concurrency = config.concurrency or 1
        self._progress = progress
        self._server: xllamacpp.Server | None = None
        self._http: OpenAIBackend | None = None
        self._loading = asyncio.Lock()

    async def identify(self) -> ModelInfo:
        """Fetch the file if need be, and say what it is: its sha256, and what its header tells. Loads nothing."""
        path = await asyncio.to_thread(models.resolve, self.config.model, progress=self._progress)
        return ModelInfo(
            model=self.config.model,
            digest=await asyncio.to_thread(models.digest, path),
            quantization=self.config.quantization or gguf.quantization(path),
            engine="llama.cpp",
            engine_version=f"xllamacpp {version('xllamacpp')}",
        )

    async def complete(self, request: Request) -> Response:
        """One chat completion; the first one loads the model."""
        async with self._loading:
            if self._http is None:
                path = await asyncio.to_thread(models.resolve, self.config.model, progress=self._progress)
                self._server = await asyncio.to_thread(self._load, str(path))
                self._http = self._client(self._server.listening_address)
        return await self._http.complete(request)

    async def close(self) -> None:
        """Stop the engine."""
        if self._http is not None:
            await self._http.close()
        self._http = self._server = None

    def _load(self, path: str) -> xllamacpp.Server:
        """Start the engine with one slot per concurrent request, each with the whole context."""
        import xllamacpp  # noqa: PLC0415  loads a 35 MB library

        parameters = xllamacpp.CommonParams()
        parameters.model.path = path
        parameters.model_alias = {self.config.model}
        parameters.n_parallel = self.concurrency
        parameters.n_ctx = self.options.n_ctx * self.concurrency
        parameters.n_gpu_layers = self.options.n_gpu_layers
        parameters.verbosity = -1  # the engine's log would go through the progress bar
        parameters.ui = False
        if self.options.reproducible:
            parameters.no_extra_bufts = True  # repacked weights sum in another order for one row than for many
            parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.endpoint_slots = False
        threads = self.options.n_threads or _cores()
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        try:
            return xllamacpp.Server(parameters)
        except RuntimeError as error:
            msg = f"backend {self.config.name}: llama.cpp cannot load {path}: {error} Is the file whole?"
            raise BackendError(msg) from None

    def _client(self, address: str) -> OpenAIBackend:
        """Our own server, without a proxy in between whatever the environment says."""
        base_url = f"{address}/v1"
        client = openai.AsyncOpenAI(
            api_key=LOOPBACK_KEY,
            base_url=base_url,
            timeout=self.config.timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        )
        common: dict[str, Any] = {"base_url": base_url, "model": self.config.model}
        plain = BackendConfig(
            name=self.config.name,
            provider="openai",
            variant=self.config.variant,
            timeout_s=self.config.timeout_s,
            quantization=self.config.quantization,
            **common,
        )
        return OpenAIBackend(plain, client=client, key=LOOPBACK_KEY)


def _cores() -> int:
    """The cores this process may use (a container may have fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def connect(config: BackendConfig, progress: models.Progress | None = None) -> LlamaCppBackend:
    """A backend for `config`; nothing is loaded yet."""
    return LlamaCppBackend(config, progress)
