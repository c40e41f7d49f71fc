"""Transport to api.openai.com by the `openai` SDK, with its authentication and environment variables.

The router returns the SDK's client for every server. It uses our connection pool, because the SDK's own pool keeps
unexpected data and returns it for the next request. A run does not use the SDK's response models: they take
more time than the call and contain only its JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from importlib import import_module
from typing import Any

import openai

from harness.backends.http.errors import one_line, passwords, shown_url
from harness.backends.http.pool import ConnectionPool, StreamedResponse, target
from harness.backends.http.transport import HTTPResponse, TooLargeError, TransportError, encoded
from harness.core.types import JSON

_httpx: Any = import_module(str(openai.DefaultAsyncHttpxClient.__base__.__module__).partition(".")[0])
"""The HTTP library of the installed SDK: `httpx` up to version 2, `httpx2` from 3 on."""
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers of a body's encoding, which `HTTPResponse` has decoded."""


_STREAMS = "harness-streams"
"""Key of a request's extensions: whether the caller reads the reply as a stream."""

HTTP_ERROR: type[Exception] = _httpx.HTTPError
"""Raised by the SDK for a stream that breaks off."""
TIME_OUT: type[Exception] = _httpx.TimeoutException


class _StreamBody(_httpx.AsyncByteStream):  # type: ignore[misc]
    """A streamed response as httpx reads it."""

    def __init__(self, stream: StreamedResponse, silent_s: float | None) -> None:
        """`silent_s`: timeout between two chunks."""
        self._stream = stream
        self._silent_s = silent_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                async with asyncio.timeout(self._silent_s):
                    chunk = await self._stream.read_chunk()
                if not chunk:
                    return
                yield chunk
        except TimeoutError:
            msg = f"no data for {self._silent_s:g} s"
            raise _httpx.ReadTimeout(msg) from None
        except TransportError as error:
            raise _httpx.ReadError(str(error)) from None

    async def aclose(self) -> None:
        self._stream.close()


class _PoolTransport:
    """`ConnectionPool` as a transport of httpx, whose client signs requests and follows redirects."""

    def __init__(self, *, proxies: bool = True) -> None:
        """`proxies`: whether the environment's proxies apply."""
        self._connections = ConnectionPool(_httpx.create_ssl_context, proxies=proxies)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of httpx and return a response of httpx."""
        limit_s = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(limit_s):
                reply = await self._send(request)
        except TimeoutError:
            msg = f"no answer within {limit_s:g} s"
            raise _httpx.ReadTimeout(msg) from None
        except TransportError as error:
            raise _httpx.NetworkError(str(error)) from None
        headers = [
            (k.encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers.items() if k not in _OF_THE_WIRE
        ]
        if isinstance(reply, HTTPResponse):
            return _httpx.Response(reply.status, headers=headers, content=reply.body)
        return _httpx.Response(reply.status, headers=headers, stream=_StreamBody(reply, limit_s))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.close()

    async def _send(self, request: Any) -> HTTPResponse | StreamedResponse:
        origin = target(str(request.url))
        for_proxy = self._connections.forwarded(origin)
        path = request.url.raw_path
        if for_proxy is not None:
            path = b"http://" + request.headers["host"].encode("latin-1") + path
        head = [b"%s %s HTTP/1.1" % (request.method.encode(), path)]
        head += [b"%s: %s" % pair for pair in request.headers.raw]
        if any(b"\r" in line or b"\n" in line for line in head):  # from an environment variable
            msg = "a header of more than one line"
            raise TransportError(msg)
        data = b"%s\r\n%s\r\n%s" % (b"\r\n".join(head), (for_proxy or "").encode("latin-1"), await request.aread())
        send = self._connections.open if request.extensions.get(_STREAMS) else self._connections.request
        return await send(origin, data)


class _Client(openai.DefaultAsyncHttpxClient):
    """An httpx client that passes `stream` on to the transport."""

    async def send(self, request: Any, *, stream: bool = False, **more: Any) -> Any:
        """Send a request, as in httpx, and pass on `stream`."""
        request.extensions = {**request.extensions, _STREAMS: stream}
        return await super().send(request, stream=stream, **more)


def client(base_url: str | None, key: str, timeout_s: float, *, proxies: bool = True) -> openai.AsyncOpenAI:
    """The SDK's client over our connection pool, without retries.

    `base_url`: `None` means `OPENAI_BASE_URL` or OpenAI's own. `timeout_s`: limit of a whole reply; of a stream, the
    limit between two chunks. `proxies`: whether the environment's proxies apply.
    """
    wire: Any = _PoolTransport(proxies=proxies)
    http = _Client(transport=wire, headers={"accept-encoding": "gzip, deflate"})
    return openai.AsyncOpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0, http_client=http)


class OpenAISDKTransport:
    """The SDK's client as a `Transport`."""

    def __init__(self, base_url: str | None, key: str, timeout_s: float) -> None:
        """Args: as in `client`."""
        self._client = client(base_url, key, timeout_s)
        self.url = shown_url(str(self._client.base_url))
        self.host = self._client.base_url.host
        self.secrets = (key, *passwords(str(self._client.base_url)))

    async def get(self, path: str) -> HTTPResponse:
        """Fetch `path`; the response has no headers."""
        where = str(self._client.base_url.join(path)) if path.startswith("/") else f"/{path}"
        return await _with_our_errors(self._fetch(where))

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Send `body` to `path`."""
        encoded(body)  # raises `ValueError` for invalid JSON, which the SDK would not
        return await _with_our_errors(self._create(path, body))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _fetch(self, where: str) -> HTTPResponse:
        text = await self._client.get(where, cast_to=str)
        return HTTPResponse(200, {}, text.encode())

    async def _create(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Send `body` as the whole request, instead of the SDK's own arguments."""
        model = str(body["model"])
        raw: Any
        if path == "embeddings":
            raw = await self._client.embeddings.with_raw_response.create(model=model, input="", extra_body=body)
        else:
            chat = self._client.chat.completions.with_raw_response
            raw = await chat.create(model=model, messages=[], extra_body=body)
        return HTTPResponse(raw.status_code, dict(raw.headers), raw.content)


async def _with_our_errors(reply: Awaitable[HTTPResponse]) -> HTTPResponse:
    """The reply, or the SDK's error as an error of `Transport`."""
    try:
        return await reply
    except openai.APIStatusError as error:
        return HTTPResponse(error.status_code, dict(error.response.headers), error.response.content)
    except openai.APITimeoutError:
        raise TimeoutError from None
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, TooLargeError):  # up to version 2 the SDK wraps every exception from below
            raise TooLargeError from None
        raise TransportError(one_line(error.__cause__ or error)) from None
    except openai.OpenAIError as error:
        raise TransportError(one_line(error)) from None
