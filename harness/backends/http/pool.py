"""The connections of a way to a server: as many as there are calls at once, kept open between them.

Both ways use them, so that what a server can do to a connection is met in one place. Proxies are those of the
environment.
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
"""A connection that was idle for longer is not used again: uvicorn (vLLM) and llama.cpp hang up after 5 s, and a
request that crosses their hanging up is lost."""
PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Who is spoken to."""

    scheme: str
    host: str
    port: int


class StreamedResponse:
    """A reply that is still coming: status and headers are there, the body is asked for piece by piece."""

    def __init__(self, head: HTTPResponse, connection: HTTPConnection, give_back: Callable[[], None]) -> None:
        """`give_back`: what is done with the connection when the reply is over."""
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
        """Hang up, if there is more to come. The connection may serve somebody else by now where there is not."""
        if not self._over:
            self._over = True
            self._connection.abort()


class ConnectionPool:
    """Each serves one request after the other, and is closed where anything else than that happens on it."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], *, proxies: bool = True) -> None:
        """`tls`: the certificates that are trusted; asked for once, where there is need (30 ms)."""
        self._make_tls = tls
        self._with_proxies = proxies
        self._idle: dict[Origin, deque[tuple[HTTPConnection, float]]] = {}
        self._closed = False
        self._open: set[HTTPConnection] = set()
        self._proxies: dict[Origin, SplitResult | None] = {}
        self._context: ssl.SSLContext | None = None

    async def request(self, origin: Origin, data: bytes) -> HTTPResponse:
        """One request. One that was sent is not sent again, whatever becomes of it."""
        connection = self._reused(origin) or await self._connected(origin)
        reply = await connection.request(data)
        self._give_back(origin, connection)
        return reply

    async def open(self, origin: Origin, data: bytes) -> HTTPResponse | StreamedResponse:
        """As `request`, but a stream of events is given as soon as it begins."""
        connection = self._reused(origin) or await self._connected(origin)
        reply = await connection.request(data, events=True)
        if connection.streams:
            return StreamedResponse(reply, connection, partial(self._give_back, origin, connection))
        self._give_back(origin, connection)
        return reply

    async def close(self) -> None:
        """Hang up, and wait until that is done: a loop that ends before it would complain of it."""
        self._closed = True
        for connection in self._open:
            connection.abort()
        if self._open:
            await asyncio.wait([connection.lost for connection in self._open], timeout=1.0)
        self._open.clear()
        self._idle.clear()

    def forwarded(self, origin: Origin) -> str | None:
        """The headers for a proxy that is told the whole address; `None` where `origin` itself hears what is sent."""
        proxy = self._proxy(origin) if origin.scheme == "http" else None
        return None if proxy is None else _for_proxy(proxy)

    def _give_back(self, origin: Origin, connection: HTTPConnection) -> None:
        idle, now = self._idle.setdefault(origin, deque()), monotonic()
        while idle and now - idle[0][1] >= IDLE_S:  # left over from when there was more to do
            idle.popleft()[0].abort()
        if connection.is_reusable():
            idle.append((connection, now))

    def _reused(self, origin: Origin) -> HTTPConnection | None:
        """The connection that was used last, if it can be used again."""
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
        """A new connection, through the proxy that the environment names."""
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
        if isinstance(loop, asyncio.BaseEventLoop):  # a host whose IPv6 leads nowhere; uvloop does not have this
            how["happy_eyeballs_delay"] = 0.25
        _, connection = await loop.create_connection(HTTPConnection, to.host, to.port, **how)
        if self._closed:
            connection.abort()
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _through(self, connection: HTTPConnection, proxy: SplitResult, origin: Origin) -> None:
        """Have a proxy pass everything on to `origin`, and speak TLS with that."""
        to = f"{named(origin.host)}:{origin.port}"
        head = f"CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{_for_proxy(proxy)}\r\n"
        reply = await connection.request(head.encode("latin-1"), head_only=True)
        if reply.status != 200 or connection.transport is None:
            connection.abort()
            msg = f"the proxy answers {reply.status}"
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
        """The proxy on the way to `origin`; raises `TransportError` for one of a kind that is not spoken here."""
        if origin not in self._proxies:
            found = getproxies() if self._with_proxies and not proxy_bypass(origin.host) else {}
            url = found.get(origin.scheme) or found.get("all") or ""
            proxy = urlsplit(url if "://" in url else f"http://{url}") if url else None
            if proxy is not None and proxy.scheme not in PORTS:
                msg = f"the environment names a proxy of the kind {one_line(proxy.scheme, 20)!r}: only http and https"
                raise TransportError(msg)
            self._proxies[origin] = proxy
        return self._proxies[origin]


def target(url: str) -> Origin:
    """Who an address leads to; raises `TransportError` for one that leads nowhere. It may have come from a server."""
    try:
        return _origin(urlsplit(url))
    except (ValueError, KeyError):
        msg = f"{one_line(url.rpartition('@')[2], 80)!r} is no address"
        raise TransportError(msg) from None


def named(host: str) -> str:
    """A host as a header has it."""
    return f"[{host}]" if ":" in host else host


def _origin(parts: SplitResult) -> Origin:
    """Raises `ValueError` or `KeyError` for an address that is none."""
    host = parts.hostname or ""
    if not host:
        msg = "no host"
        raise ValueError(msg)
    # an address of IPv6 is no name, and has no letters to be put into ASCII
    return Origin(
        parts.scheme, host if ":" in host else host.encode("idna").decode(), parts.port or PORTS[parts.scheme]
    )


def _for_proxy(proxy: SplitResult) -> str:
    known = basic(proxy)
    return f"proxy-authorization: {known}\r\n" if known else ""
