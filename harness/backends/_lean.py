"""The way to a server of one's own: as many connections as there are calls at once, kept open between them.

What the environment says (proxies, certificates) and what a redirect does is as with the OpenAI SDK.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from harness.backends._http import basic, one_line, passwords, shown_url
from harness.backends._http1 import Connection
from harness.backends._transport import LostError, Reply, encoded
from harness.types import JSON

IDLE_S = 4.0
"""A connection that was idle for longer is not used again: uvicorn (vLLM) and llama.cpp hang up after 5 s, and a
request that crosses their hanging up is lost."""
MOST_REDIRECTS = 20
PORTS = {"http": 80, "https": 443}
SAFE = "/%:@!$&'()*+,;=~?-._"


class Origin(NamedTuple):
    """Who is spoken to."""

    scheme: str
    host: str
    port: int


class Lean:
    """HTTP/1.1 by `_http1`."""

    def __init__(self, base_url: str, key: str, *, proxies: bool = True) -> None:
        """`proxies`: whether those of the environment apply. A user and a password in the address replace the key."""
        parts = urlsplit(base_url)
        self.url = shown_url(base_url)
        self.host = parts.hostname or ""
        self._base = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + "/")
        self._authorization = basic(parts) or f"Bearer {key}"
        self.secrets = (key, *passwords(base_url))
        self._with_proxies = proxies
        self._idle: dict[Origin, list[tuple[Connection, float]]] = {}
        self._open: set[Connection] = set()
        self._proxies: dict[Origin, SplitResult | None] = {}
        self._heads: dict[tuple[str, str], tuple[Origin, bytes]] = {}
        self._context: ssl.SSLContext | None = None

    async def get(self, path: str) -> Reply:
        """Fetch `path`."""
        return await self._follow("GET", self._at(path), b"")

    async def post(self, path: str, body: Mapping[str, JSON]) -> Reply:
        """Send `body` to `path`."""
        return await self._follow("POST", self._at(path), encoded(body))

    async def close(self) -> None:
        """Hang up, and wait until that is done: a loop that ends before it would complain of it."""
        for connection in self._open:
            connection.abort()
        if self._open:
            await asyncio.wait([connection.lost for connection in self._open], timeout=1.0)
        self._open.clear()
        self._idle.clear()

    def _at(self, path: str) -> str:
        where = path if path.startswith("/") else self._base.path + path
        return self._base._replace(path=where).geturl()

    async def _follow(self, method: str, url: str, body: bytes) -> Reply:
        """One request, and where it is sent on to."""
        known = True
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._once(method, url, body, known=known)
            location = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or location is None:
                return reply
            if reply.status < 304 and method == "POST":
                method, body = "GET", b""
            here, url = _target(url), _joined(url, location)
            there = _target(url)
            # the key goes to no other server; the same one with TLS is no other
            upgraded = there.host == here.host and (here.scheme, there.scheme) == ("http", "https")
            known = known and (there == here or (upgraded and (here.port, there.port) == (80, 443)))
        msg = f"sent on more than {MOST_REDIRECTS} times"
        raise LostError(msg)

    async def _once(self, method: str, url: str, body: bytes, *, known: bool) -> Reply:
        """One request. One that was sent is not sent again, whatever becomes of it."""
        if known and (method, url) in self._heads:
            origin, head = self._heads[method, url]
        else:
            origin = _target(url)
            head = self._head(method, urlsplit(url), origin, known=known)
            if known and len(self._heads) < 16:
                self._heads[method, url] = origin, head
        connection = self._reused(origin) or await self._connected(origin)
        sent = b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body) if method == "POST" else head + b"\r\n"
        reply = await connection.ask(sent)
        if connection.usable():
            self._idle.setdefault(origin, []).append((connection, monotonic()))
        return reply

    def _reused(self, origin: Origin) -> Connection | None:
        """The connection that was used last, if it can be used again."""
        idle = self._idle.get(origin, [])
        while idle:
            connection, since = idle.pop()
            if monotonic() - since < IDLE_S and connection.usable():
                return connection
            connection.abort()
        return None

    async def _connected(self, origin: Origin) -> Connection:
        """A new connection, through the proxy that the environment names."""
        proxy = self._proxy(origin)
        secure = origin.scheme == "https"
        try:
            if proxy is None:
                return await self._dial(origin, secure=secure)
            connection = await self._dial(_target(proxy.geturl()), secure=proxy.scheme == "https")
            if secure:
                await self._through(connection, proxy, origin)
        except (OSError, UnicodeError) as error:
            raise LostError(one_line(error) or type(error).__name__) from None
        return connection

    async def _dial(self, to: Origin, *, secure: bool) -> Connection:
        loop = asyncio.get_running_loop()
        how: dict[str, Any] = {"ssl": self._tls()} if secure else {}
        if isinstance(loop, asyncio.BaseEventLoop):  # a host whose IPv6 leads nowhere; uvloop does not have this
            how["happy_eyeballs_delay"] = 0.25
        _, connection = await loop.create_connection(Connection, to.host, to.port, **how)
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _through(self, connection: Connection, proxy: SplitResult, origin: Origin) -> None:
        """Have a proxy pass everything on to `origin`, and speak TLS with that."""
        to = f"{_named(origin.host)}:{origin.port}"
        head = f"CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{_for_proxy(proxy)}\r\n"
        reply = await connection.ask(head.encode("latin-1"), head_only=True)
        if reply.status != 200 or connection.transport is None:
            connection.abort()
            msg = f"the proxy answers {reply.status}"
            raise LostError(msg)
        loop = asyncio.get_running_loop()
        try:
            upgraded = await loop.start_tls(connection.transport, connection, self._tls(), server_hostname=origin.host)
        except BaseException:
            connection.abort()
            raise
        connection.transport = upgraded

    def _tls(self) -> ssl.SSLContext:
        """The certificates of the system, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; read once (30 ms)."""
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

    def _proxy(self, origin: Origin) -> SplitResult | None:
        """The proxy on the way to `origin`; raises `LostError` for one of a kind that is not spoken here."""
        if origin not in self._proxies:
            found = getproxies() if self._with_proxies and not proxy_bypass(origin.host) else {}
            url = found.get(origin.scheme) or found.get("all") or ""
            proxy = urlsplit(url if "://" in url else f"http://{url}") if url else None
            if proxy is not None and proxy.scheme not in PORTS:
                msg = f"the environment names a proxy of the kind {one_line(proxy.scheme, 20)!r}: only http and https"
                raise LostError(msg)
            self._proxies[origin] = proxy
        return self._proxies[origin]

    def _head(self, method: str, parts: SplitResult, origin: Origin, *, known: bool) -> bytes:
        """Everything of a request but its length and body."""
        proxy = self._proxy(origin) if origin.scheme == "http" else None
        host = _named(origin.host) + ("" if origin.port == PORTS[origin.scheme] else f":{origin.port}")
        path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
        lines = [
            f"{method} {f'http://{host}{path}' if proxy else path} HTTP/1.1",
            f"host: {host}",
            "accept: application/json",
            "accept-encoding: gzip, deflate",
            "user-agent: prompt-portability-harness",
        ]
        if known:
            lines.append(f"authorization: {self._authorization}")
        if method == "POST":
            lines.append("content-type: application/json")
        return ("\r\n".join(lines) + "\r\n" + (_for_proxy(proxy) if proxy else "")).encode("latin-1")


def _joined(url: str, location: str) -> str:
    """Where a redirect leads; raises `LostError` for what is no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        msg = f"sent on to {one_line(location, 80)!r}, which is no address"
        raise LostError(msg) from None


def _target(url: str) -> Origin:
    """Who an address leads to; raises `LostError` for one that leads nowhere. It may have come from a server."""
    try:
        return _origin(urlsplit(url))
    except (ValueError, KeyError):
        msg = f"{one_line(url.rpartition('@')[2], 80)!r} is no address"
        raise LostError(msg) from None


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


def _named(host: str) -> str:
    """A host as a header has it."""
    return f"[{host}]" if ":" in host else host


def _for_proxy(proxy: SplitResult) -> str:
    known = basic(proxy)
    return f"proxy-authorization: {known}\r\n" if known else ""
