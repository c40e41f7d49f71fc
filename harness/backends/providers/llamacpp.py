"""Run llama.cpp in this process, by `xllamacpp`: no server to install or start.

The engine listens on a free loopback port. Calls use the OpenAI protocol, so that embedded and served models share
all code.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, cast

from pydantic import Field

from harness.backends import OpenAIEndpoint
from harness.backends.constrained_decoding import grammar
from harness.backends.http.client import HTTPClient
from harness.backends.http.errors import one_line
from harness.backends.local import gguf, models
from harness.backends.local.gguf import pooling
from harness.backends.providers.openai import OpenAIBackend
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.extras import check, needed
from harness.core.plugins import ProviderCapabilities
from harness.core.toml import StrictModel
from harness.core.types import Constraint, ModelInfo, Request, Response
from harness.project.config import BackendConfig

if TYPE_CHECKING:
    import xllamacpp

LOOPBACK_KEY = "embedded"
NEEDS = ("llamacpp", "the embedded llama.cpp needs xllamacpp")
T = TypeVar("T")


class LlamaCppOptions(StrictModel):
    """Keys of `[backends.NAME]` for provider llamacpp.

    `reproducible`: the same prompt always gets the same reply. By default llama.cpp's rounding depends on the batch
    and on the prefix cache, which can change a word of a long reply. The default matches other llama.cpp servers.

    `logprobs`: save the probabilities of so many first tokens of each reply, for ladders.

    `pooling`: how token vectors become one vector. Default: as the model's file says, else (a chat model) their mean.
    """

    reproducible: bool = False
    n_ctx: int = Field(default=4096, ge=128)
    n_threads: int | None = Field(default=None, ge=1)
    n_gpu_layers: int = -1
    pooling: Literal["mean", "last", "cls"] | None = None
    logprobs: int | None = Field(default=None, ge=1, le=20)


class LlamaCppServer(OpenAIBackend):
    """The OpenAI protocol of llama.cpp, whose grammar returns bare choices."""

    bare_choices = True
    _can_call: bool | None = None

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        return grammar(constraint)

    async def can_call(self) -> bool:
        """Whether the model's chat template supports tools. Otherwise llama.cpp drops them silently."""
        if self._can_call is None:
            properties = await self._server_page("/props")
            able = None
            if isinstance(properties, dict):
                able = properties.get("chat_template_caps", {}).get("supports_tools")
            self._can_call = able is not False
        return self._can_call


class LlamaCppBackend:
    """A GGUF file and the engine that runs it, loaded by the first request. Run one such backend at a time per process.

    Replies and vectors come from separate engines: an engine for vectors (pooling, a text in one batch)
    would not reply like other llama.cpp servers.
    """

    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(needs_key=False, loads_model_file=True)
    options_class: ClassVar[type[LlamaCppOptions]] = LlamaCppOptions
    warm_up = True
    exclusive = True
    secrets: tuple[str, ...] = ()

    def __init__(self, config: BackendConfig, progress: models.Progress | None = None) -> None:
        """`progress` is notified while the model file is fetched."""
        self.config = config
        self.options = LlamaCppOptions.model_validate(config.options)
        self.concurrency = config.concurrency or 1
        self._progress = progress
        self._servers: list[xllamacpp.Server] = []
        self._engines: dict[bool, asyncio.Task[LlamaCppServer]] = {}

    async def identify(self) -> ModelInfo:
        """Fetch the file if necessary; report its sha256 and the facts of its header. Loads no model."""
        path = await self._path()
        return ModelInfo(
            model=self.config.model,
            digest=await _abandonable(lambda: models.digest(path)),
            quantization=self.config.quantization or gguf.quantization(path),
            engine="llama.cpp",
            engine_version=f"xllamacpp {version('xllamacpp')}",
            size=path.stat().st_size,
        )

    async def complete(self, request: Request) -> Response:
        """Request a chat completion, or the vector of a text; the first of each kind loads the model."""
        engine = await self._engine(embed=request.embed)
        if request.tools and not await engine.can_call():
            msg = (
                f"the chat template of {self.config.model} does not support tools, and "
                'llama.cpp would drop them: set calls = "text" in the eval, or use a model made for tools'
            )
            raise BackendError(msg, backend=self.config.name)
        return await engine.complete(request)

    @classmethod
    def connect(cls, config: BackendConfig, progress: models.Progress | None = None) -> Self:
        """Create a backend; the model is loaded by the first request.

        Raises `BackendUnavailable` if the extra is not installed, before a large file is fetched.
        """
        check(*NEEDS, partial(BackendUnavailable, backend=config.name))
        return cls(config, progress)

    async def openai_endpoint(self) -> OpenAIEndpoint:
        """The loopback server of the engine for chats; loads the model if necessary."""
        return OpenAIEndpoint((await self._engine(embed=False)).url, LOOPBACK_KEY, proxies=False)

    async def _engine(self, *, embed: bool) -> LlamaCppServer:
        if embed not in self._engines:
            self._engines[embed] = asyncio.create_task(self._start(embed=embed))
        # Shielded: after a caller's timeout the next caller must not load the model a second time.
        return await asyncio.shield(self._engines[embed])

    async def close(self) -> None:
        """Stop the engines. An engine that is still loading is waited for: loading cannot be stopped."""
        started = await asyncio.gather(*self._engines.values(), return_exceptions=True)
        for engine in started:
            if isinstance(engine, LlamaCppServer):
                await engine.close()
        self._engines.clear()
        self._servers.clear()

    async def _path(self) -> Path:
        return await _abandonable(
            lambda: models.resolve(self.config.model, folder=self.config.folder, progress=self._progress)
        )

    async def _start(self, *, embed: bool) -> LlamaCppServer:
        path = await self._path()
        server = await asyncio.to_thread(self._load, path, embed=embed)
        self._servers.append(server)
        return self._client(server.listening_address)

    def _load(self, path: Path, *, embed: bool) -> xllamacpp.Server:
        """Start the engine with one slot per concurrent request, each with the whole context."""
        with needed(*NEEDS, partial(BackendUnavailable, backend=self.config.name)):
            import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.model_alias = {self.config.model}
        parameters.n_parallel = self.concurrency
        parameters.n_ctx = self.options.n_ctx * self.concurrency
        parameters.n_gpu_layers = self.options.n_gpu_layers
        parameters.verbosity = -1  # the engine's log would break the progress bar
        parameters.ui = False
        if self.options.reproducible:
            parameters.no_extra_bufts = True  # repacked weights sum one row in another order than many
            parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if embed:
            parameters.embedding = True
            parameters.n_batch = parameters.n_ubatch = self.options.n_ctx  # pooling needs the text in one batch
            kind = f"LLAMA_POOLING_TYPE_{(self.options.pooling or pooling(path) or 'mean').upper()}"
            parameters.pooling_type = getattr(xllamacpp.llama_pooling_type, kind)
        parameters.endpoint_slots = False
        threads = self.options.n_threads or _cores()
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        try:
            return xllamacpp.Server(parameters)
        except (RuntimeError, ValueError) as error:
            why = f"{path} ({one_line(error)}): check that the file is complete and memory is sufficient"
            msg = f"llama.cpp cannot load {why}"
            raise BackendError(msg, backend=self.config.name) from None

    def _client(self, address: str) -> LlamaCppServer:
        """Client of our own server, without the environment's proxies."""
        base_url = f"{address}/v1"
        common: dict[str, Any] = {"base_url": base_url, "model": self.config.model}
        if self.options.logprobs:
            common["extra_body"] = {"logprobs": True, "top_logprobs": self.options.logprobs}
        plain = BackendConfig(
            name=self.config.name,
            provider="openai",
            variant=self.config.variant,
            timeout_s=self.config.timeout_s,
            quantization=self.config.quantization,
            **common,
        )
        return LlamaCppServer(plain, transport=HTTPClient(base_url, LOOPBACK_KEY, proxies=False))


async def _abandonable(work: Callable[[], T]) -> T:
    """Run `work` in a thread that Ctrl-C does not wait for: a download or a hash of a large file takes minutes."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:  # noqa: BLE001  raised where the result is awaited
            error = caught
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done


def _cores() -> int:
    """The cores this process may use (a container may have fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


PROVIDER = LlamaCppBackend
