"""The way to a server of one's own: a few lines of HTTP/1.1 over `_connections`.

What the environment says (proxies, certificates) and what a redirect does is as with the OpenAI SDK.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from harness.backends.http.errors import basic, one_line, passwords, shown_url
from harness.backends.http.pool import PORTS, ConnectionPool, Origin, named, target
from harness.backends.http.transport import HTTPResponse, TransportError, encoded
from harness.core.types import JSON

MOST_REDIRECTS = 20
SAFE = "/%:@!$&'()*+,;=~?-._"


class HTTPClient:
    """Requests written by hand, their heads once."""

    def __init__(self, base_url: str, key: str, *, proxies: bool = True) -> None:
        """`proxies`: whether those of the environment apply. A user and a password in the address replace the key."""
        parts = urlsplit(base_url)
        self.url = shown_url(base_url)
        self.host = parts.hostname or ""
        self._base = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + "/")
        self._authorization = basic(parts) or f"Bearer {key}"
        self.secrets = (key, *passwords(base_url))
        # the certificates of the system, or those of SSL_CERT_FILE and SSL_CERT_DIR
        self._connections = ConnectionPool(ssl.create_default_context, proxies=proxies)
        self._heads: dict[tuple[str, str], tuple[Origin, bytes]] = {}

    async def get(self, path: str) -> HTTPResponse:
        """Fetch `path`."""
        return await self._follow("GET", self._at(path), b"")

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Send `body` to `path`."""
        return await self._follow("POST", self._at(path), encoded(body))

    async def close(self) -> None:
        """Hang up."""
        await self._connections.close()

    def _at(self, path: str) -> str:
        where = path if path.startswith("/") else self._base.path + path
        return self._base._replace(path=where).geturl()

    async def _follow(self, method: str, url: str, body: bytes) -> HTTPResponse:
        """One request, and where it is sent on to."""
        known = True
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._once(method, url, body, known=known)
            location = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or location is None:
                return reply
            if reply.status < 304 and method == "POST":
                method, body = "GET", b""
            here, url = target(url), _joined(url, location)
            there = target(url)
            # the key goes to no other server; the same one with TLS is no other
            upgraded = there.host == here.host and (here.scheme, there.scheme) == ("http", "https")
            known = known and (there == here or (upgraded and (here.port, there.port) == (80, 443)))
        msg = f"sent on more than {MOST_REDIRECTS} times"
        raise TransportError(msg)

    async def _once(self, method: str, url: str, body: bytes, *, known: bool) -> HTTPResponse:
        if known and (method, url) in self._heads:
            origin, head = self._heads[method, url]
        else:
            origin = target(url)
            head = self._head(method, urlsplit(url), origin, known=known)
            if known and len(self._heads) < 16:
                self._heads[method, url] = origin, head
        sent = b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body) if method == "POST" else head + b"\r\n"
        return await self._connections.request(origin, sent)

    def _head(self, method: str, parts: SplitResult, origin: Origin, *, known: bool) -> bytes:
        """Everything of a request but its length and body."""
        for_proxy = self._connections.forwarded(origin)
        host = named(origin.host) + ("" if origin.port == PORTS[origin.scheme] else f":{origin.port}")
        path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
        lines = [
            f"{method} {path if for_proxy is None else f'http://{host}{path}'} HTTP/1.1",
            f"host: {host}",
            "accept: application/json",
            "accept-encoding: gzip, deflate",
            "user-agent: prompt-portability-harness",
        ]
        if known:
            lines.append(f"authorization: {self._authorization}")
        if method == "POST":
            lines.append("content-type: application/json")
        return ("\r\n".join(lines) + "\r\n" + (for_proxy or "")).encode("latin-1")


def _joined(url: str, location: str) -> str:
    """Where a redirect leads; raises `TransportError` for what is no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        msg = f"sent on to {one_line(location, 80)!r}, which is no address"
        raise TransportError(msg) from None
