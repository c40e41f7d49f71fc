"""A pool of keep-alive connections, one per concurrent call, with the environment's proxies.

Both transports use this pool, so that connection errors are handled in one place.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from harness.backends.http.connection import HTTPConnection
from harness.backends.http.errors import basic, one_line
from harness.backends.http.transport import HTTPResponse, TransportError

IDLE_S = 4.0
"""Connections idle for longer are not reused: uvicorn (vLLM) and llama.cpp close them after 5 s, and a request sent at
that moment is lost."""
PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """A server: scheme, host, port."""

    scheme: str
    host: str
    port: int


class StreamedResponse:
    """A response whose body is read chunk by chunk."""

    def __init__(self, head: HTTPResponse, connection: HTTPConnection, give_back: Callable[[], None]) -> None:
        """`give_back`: called once the body is complete."""
        self.status = head.status
        self.headers = head.headers
        self._connection = connection
        self._give_back = give_back
        self._over = False

    async def read_chunk(self) -> bytes:
        """The next bytes, `b""` at the end; raises `TransportError` and `TooLargeError`."""
        chunk = b"" if self._over else await self._connection.read_chunk()
        if not chunk and not self._over:
            self._over = True
            self._give_back()
        return chunk

    def close(self) -> None:
        """Close the connection unless the body is complete: the pool may have reused it since."""
        if not self._over:
            self._over = True
            self._connection.abort()


class ConnectionPool:
    """Connections by server; each serves one request at a time."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], *, proxies: bool = True) -> None:
        """`tls`: makes the TLS context; called once, for the first https server (30 ms)."""
        self._make_tls = tls
        self._with_proxies = proxies
        self._idle: dict[Origin, deque[tuple[HTTPConnection, float]]] = {}
        self._closed = False
        self._open: set[HTTPConnection] = set()
        self._proxies: dict[Origin, SplitResult | None] = {}
        self._context: ssl.SSLContext | None = None

    async def request(self, origin: Origin, data: bytes) -> HTTPResponse:
        """Send one request. A request that was sent is never repeated."""
        connection = self._reused(origin) or await self._connected(origin)
        reply = await connection.request(data)
        self._give_back(origin, connection)
        return reply

    async def open(self, origin: Origin, data: bytes) -> HTTPResponse | StreamedResponse:
        """Like `request`, but return an event stream when its head has arrived."""
        connection = self._reused(origin) or await self._connected(origin)
        reply = await connection.request(data, events=True)
        if connection.streams:
            return StreamedResponse(reply, connection, partial(self._give_back, origin, connection))
        self._give_back(origin, connection)
        return reply

    async def close(self) -> None:
        """Close all connections and wait for the end, because a loop that ends earlier warns."""
        self._closed = True
        for connection in self._open:
            connection.abort()
        if self._open:
            await asyncio.wait([connection.lost for connection in self._open], timeout=1.0)
        self._open.clear()
        self._idle.clear()

    def forwarded(self, origin: Origin) -> str | None:
        """The headers for a plain http proxy, which gets the whole URL; `None` if no such proxy applies."""
        proxy = self._proxy(origin) if origin.scheme == "http" else None
        return None if proxy is None else _for_proxy(proxy)

    def _give_back(self, origin: Origin, connection: HTTPConnection) -> None:
        idle, now = self._idle.setdefault(origin, deque()), monotonic()
        while idle and now - idle[0][1] >= IDLE_S:
            idle.popleft()[0].abort()
        if connection.is_reusable():
            idle.append((connection, now))

    def _reused(self, origin: Origin) -> HTTPConnection | None:
        """The most recently used connection that is still reusable."""
        if self._closed:
            msg = "the connections are closed"
            raise TransportError(msg)
        idle = self._idle.get(origin)
        while idle:
            connection, since = idle.pop()
            if monotonic() - since < IDLE_S and connection.is_reusable():
                return connection
            connection.abort()
        return None

    async def _connected(self, origin: Origin) -> HTTPConnection:
        """A new connection, by the environment's proxy if one applies."""
        proxy = self._proxy(origin)
        secure = origin.scheme == "https"
        try:
            if proxy is None:
                return await self._dial(origin, secure=secure)
            connection = await self._dial(target(proxy.geturl()), secure=proxy.scheme == "https")
            if secure:
                await self._through(connection, proxy, origin)
        except (OSError, UnicodeError) as error:
            raise TransportError(one_line(error) or type(error).__name__) from None
        return connection

    async def _dial(self, to: Origin, *, secure: bool) -> HTTPConnection:
        loop = asyncio.get_running_loop()
        how: dict[str, Any] = {"ssl": self._tls()} if secure else {}
        if isinstance(loop, asyncio.BaseEventLoop):  # for hosts with a dead IPv6 address; uvloop lacks it
            how["happy_eyeballs_delay"] = 0.25
        _, connection = await loop.create_connection(HTTPConnection, to.host, to.port, **how)
        if self._closed:
            connection.abort()
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _through(self, connection: HTTPConnection, proxy: SplitResult, origin: Origin) -> None:
        """Open a tunnel to `origin` and start TLS in it."""
        to = f"{host_header(origin.host)}:{origin.port}"
        head = f"CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{_for_proxy(proxy)}\r\n"
        reply = await connection.request(head.encode("latin-1"), head_only=True)
        if reply.status != 200 or connection.transport is None:
            connection.abort()
            msg = f"the proxy replied {reply.status} to CONNECT"
            raise TransportError(msg)
        loop = asyncio.get_running_loop()
        try:
            upgraded = await loop.start_tls(connection.transport, connection, self._tls(), server_hostname=origin.host)
        except BaseException:
            connection.abort()
            raise
        connection.transport = upgraded

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._make_tls()
        return self._context

    def _proxy(self, origin: Origin) -> SplitResult | None:
        """The proxy for `origin`; raises `TransportError` for a proxy that is neither http nor https."""
        if origin not in self._proxies:
            proxies = getproxies() if self._with_proxies and not proxy_bypass(origin.host) else {}
            url = proxies.get(origin.scheme) or proxies.get("all") or ""
            proxy = urlsplit(url if "://" in url else f"http://{url}") if url else None
            if proxy is not None and proxy.scheme not in PORTS:
                msg = f"the environment names a {one_line(proxy.scheme, 20)!r} proxy: only http and https are supported"
                raise TransportError(msg)
            self._proxies[origin] = proxy
        return self._proxies[origin]


def target(url: str) -> Origin:
    """The server of a URL; raises `TransportError` for an invalid URL, as in a bad redirect."""
    try:
        return _origin(urlsplit(url))
    except (ValueError, KeyError):
        msg = f"{one_line(url.rpartition('@')[2], 80)!r} is not an address"
        raise TransportError(msg) from None


def host_header(host: str) -> str:
    """The host as written in headers: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _origin(parts: SplitResult) -> Origin:
    """Raises `ValueError` or `KeyError` for an invalid address."""
    host = parts.hostname or ""
    if not host:
        msg = "no host"
        raise ValueError(msg)
    # IDNA encoding is for names, not for IPv6 addresses.
    return Origin(
        parts.scheme, host if ":" in host else host.encode("idna").decode(), parts.port or PORTS[parts.scheme]
    )


def _for_proxy(proxy: SplitResult) -> str:
    known = basic(proxy)
    return f"proxy-authorization: {known}\r\n" if known else ""
