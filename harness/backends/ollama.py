"""An Ollama server, by the `ollama` SDK and the native `/api/chat`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import httpx
import ollama
from pydantic import Field, ValidationError

from harness.backends._http import MAX_REPLY_CHARS, failed, failed_status, get_json
from harness.config import BackendConfig, Strict
from harness.errors import BackendError, BackendUnavailable
from harness.models import Progress
from harness.types import ModelInfo, Request, Response

DEFAULT_URL = "http://127.0.0.1:11434"
NANOSECONDS = 1e-9


class Options(Strict):
    """Keys of `[backends.x]` for provider ollama.

    `num_ctx` is always sent: Ollama's own default is small, and it cuts a longer prompt without a word.
    """

    num_ctx: int = Field(default=8192, ge=128)
    keep_alive: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)


class OllamaBackend:
    """One model of an Ollama server."""

    warm_up = True
    exclusive = False
    concurrency = 4

    def __init__(self, config: BackendConfig) -> None:
        """The server is `base_url`, or `OLLAMA_HOST`, or this machine."""
        self.config = config
        self.options = Options.model_validate(config.options)
        self._client = ollama.AsyncClient(
            host=config.base_url or os.environ.get("OLLAMA_HOST") or DEFAULT_URL, timeout=config.timeout_s
        )
        self._url = str(self._client._client.base_url).rstrip("/")  # noqa: SLF001  where the SDK really goes

    async def identify(self) -> ModelInfo:
        """Digest, quantization and size as `/api/tags` and `/api/show` tell them; needs the model to be pulled."""
        try:
            tags = await self._client.list()
            shown = await self._client.show(self.config.model)
        except ollama.ResponseError as error:
            if error.status_code == 404:
                raise BackendUnavailable(self._not_pulled()) from None
            msg = f"backend {self.config.name}: {self._url} answers {error.status_code}: {error.error}"
            raise BackendError(msg) from None
        except (ConnectionError, httpx.HTTPError, ValidationError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            msg = f"backend {self.config.name}: no Ollama at {self._url} ({reason}): start it with `ollama serve`"
            raise BackendUnavailable(msg) from None
        names = {self.config.model, f"{self.config.model}:latest"}
        digest = next((m.digest for m in tags.models if m.model in names), None)
        version = await get_json(f"{self._url}/api/version")
        details = shown.details
        return ModelInfo(
            model=self.config.model,
            digest=f"sha256:{digest}" if digest else "",
            quantization=self.config.quantization or (details and details.quantization_level) or "",
            parameters=(details and details.parameter_size) or "",
            engine="ollama",
            engine_version=str(version.get("version", "")) if isinstance(version, dict) else "",
        )

    async def complete(self, request: Request) -> Response:
        """One chat; the time that the server spent on loading the model is not latency."""
        started = perf_counter()
        try:
            reply = await self._client.chat(
                model=self.config.model,
                messages=[{"role": m.role, "content": m.content} for m in request.messages],
                options=self._sampling(request),
                keep_alive=self.options.keep_alive,
            )
        except ollama.ResponseError as error:
            if error.status_code == 404:
                raise BackendError(self._not_pulled()) from None
            if error.status_code in (401, 403):
                msg = f"backend {self.config.name}: {self._url} refuses us ({error.status_code}): {error.error}"
                raise BackendError(msg) from None
            return failed_status(error.status_code, error.error, {})
        except httpx.TimeoutException:
            return failed("timeout", f"no answer within {self.config.timeout_s:g} s", retry=True)
        except (ConnectionError, httpx.HTTPError) as error:
            return failed("connection", str(error) or type(error).__name__, retry=True)
        except ValueError as error:  # not JSON, or JSON of another shape
            return failed("bad_reply", f"not a chat reply: {error}", retry=True)
        return _response(reply, perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        await self._client._client.aclose()  # noqa: SLF001  the SDK has no close of its own

    def _sampling(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        chosen = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "num_predict": sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "num_ctx": self.options.num_ctx,
        }
        return {**self.options.options, **{k: v for k, v in chosen.items() if v is not None}}

    def _not_pulled(self) -> str:
        return (
            f"backend {self.config.name}: {self._url} has no model {self.config.model!r}: "
            f"`ollama pull {self.config.model}`, or list what is there with `ollama list`"
        )


def _response(reply: ollama.ChatResponse, wall_s: float) -> Response:
    text = reply.message.content or ""
    if len(text) > MAX_REPLY_CHARS:
        return failed("too_large", f"a reply of {len(text):,} characters; at most {MAX_REPLY_CHARS:,} are read")
    load_s = (reply.load_duration or 0) * NANOSECONDS
    return Response(
        text=text,
        finish_reason=reply.done_reason or "",
        prompt_tokens=reply.prompt_eval_count,
        completion_tokens=reply.eval_count,
        latency_s=max(0.0, wall_s - load_s),
        load_s=load_s or None,
        tool_calls=tuple(call.model_dump(mode="json") for call in reply.message.tool_calls or ()),
        model=reply.model or "",
    )


def connect(config: BackendConfig, _progress: Progress | None = None) -> OllamaBackend:
    """A backend for `config`."""
    return OllamaBackend(config)
