"""Lean HTTP/1.1 transport for servers given by `base_url`.

Redirects, and the environment's proxies and certificates, are handled like in the OpenAI SDK.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from harness.backends.http.errors import basic, one_line, passwords, shown_url
from harness.backends.http.pool import PORTS, ConnectionPool, Origin, host_header, target
from harness.backends.http.transport import HTTPResponse, TransportError, encoded
from harness.core.types import JSON

MOST_REDIRECTS = 20
SAFE = "/%:@!$&'()*+,;=~?-._"


class HTTPClient:
    """A `Transport` over `ConnectionPool` that builds each request head once."""

    def __init__(self, base_url: str, key: str, *, proxies: bool = True) -> None:
        """`proxies`: whether the environment's proxies apply. User and password in the address replace the key."""
        parts = urlsplit(base_url)
        self.url = shown_url(base_url)
        self.host = parts.hostname or ""
        self._base = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + "/")
        self._authorization = basic(parts) or f"Bearer {key}"
        self.secrets = (key, *passwords(base_url))
        # uses the system's certificates, or the files of SSL_CERT_FILE and SSL_CERT_DIR
        self._connections = ConnectionPool(ssl.create_default_context, proxies=proxies)
        self._heads: dict[tuple[str, str], tuple[Origin, bytes]] = {}

    async def get(self, path: str) -> HTTPResponse:
        """Fetch `path`."""
        return await self._follow("GET", self._at(path), b"")

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Send `body` to `path`."""
        return await self._follow("POST", self._at(path), encoded(body))

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.close()

    def _at(self, path: str) -> str:
        where = path if path.startswith("/") else self._base.path + path
        return self._base._replace(path=where).geturl()

    async def _follow(self, method: str, url: str, body: bytes) -> HTTPResponse:
        """Send a request and follow its redirects."""
        with_key = True
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._send(method, url, body, with_key=with_key)
            location = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or location is None:
                return reply
            if reply.status < 304 and method == "POST":
                method, body = "GET", b""
            origin, url = target(url), _redirect_target(url, location)
            redirected = target(url)
            # The key is never sent to another server; an upgrade of the same host to TLS is allowed.
            upgraded = redirected.host == origin.host and (origin.scheme, redirected.scheme) == ("http", "https")
            with_key = with_key and (redirected == origin or (upgraded and (origin.port, redirected.port) == (80, 443)))
        msg = f"more than {MOST_REDIRECTS} redirects"
        raise TransportError(msg)

    async def _send(self, method: str, url: str, body: bytes, *, with_key: bool) -> HTTPResponse:
        if with_key and (method, url) in self._heads:
            origin, head = self._heads[method, url]
        else:
            origin = target(url)
            head = self._head(method, urlsplit(url), origin, with_key=with_key)
            if with_key and len(self._heads) < 16:
                self._heads[method, url] = origin, head
        data = b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body) if method == "POST" else head + b"\r\n"
        return await self._connections.request(origin, data)

    def _head(self, method: str, parts: SplitResult, origin: Origin, *, with_key: bool) -> bytes:
        """Request line and headers, without content-length."""
        for_proxy = self._connections.forwarded(origin)
        host = host_header(origin.host) + ("" if origin.port == PORTS[origin.scheme] else f":{origin.port}")
        path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
        lines = [
            f"{method} {path if for_proxy is None else f'http://{host}{path}'} HTTP/1.1",
            f"host: {host}",
            "accept: application/json",
            "accept-encoding: gzip, deflate",
            "user-agent: prompt-portability-harness",
        ]
        if with_key:
            lines.append(f"authorization: {self._authorization}")
        if method == "POST":
            lines.append("content-type: application/json")
        return ("\r\n".join(lines) + "\r\n" + (for_proxy or "")).encode("latin-1")


def _redirect_target(url: str, location: str) -> str:
    """Target of a redirect; raises `TransportError` for an invalid address."""
    try:
        return urljoin(url, location)
    except ValueError:
        msg = f"redirect to {one_line(location, 80)!r}, which is not an address"
        raise TransportError(msg) from None
