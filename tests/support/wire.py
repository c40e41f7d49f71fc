"""A server that sends exact bytes, for replies that no HTTP library can send."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .servers import completion

Part = bytes | float | None
"""Bytes to send, seconds to wait, or `None`: hang up."""


class Wire:
    """A server that records raw requests and sends the parts of `answer(number of the request)`."""

    def __init__(self, answer: Callable[[int], Sequence[Part]], host: str = "127.0.0.1", tls: Any = None) -> None:
        """Start the server. `tls`: an SSL context, for HTTPS."""
        self.answer = answer
        self.requests: list[str] = []
        self.connections = 0
        self.sent = 0
        self._tls: ssl.SSLContext | None = tls
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=self._family, backlog=256)
        port = self._listening.getsockname()[1]
        self.root = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        self.base_url = f"{self.root}/v1"
        self._lock = threading.Lock()
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and close the connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for line in self._lines:
            line.close()

    def head(self, number: int) -> dict[str, str]:
        """Return the headers of a request, with names in lower case."""
        lines = self.requests[number].partition("\r\n\r\n")[0].split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                self.connections += 1
                self._lines.append(line)
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError, ValueError):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
                self._lines.append(line)
            while request := read_request(line):
                with self._lock:
                    number = len(self.requests)
                    self.requests.append(request)
                for part in self.answer(number):
                    if part is None:
                        line.shutdown(socket.SHUT_RDWR)
                        line.close()
                        return
                    if isinstance(part, float):
                        time.sleep(part)
                    else:
                        line.sendall(part)
                        self.sent += len(part)


def read_request(line: socket.socket) -> str:
    """Read a whole request; return "" if the client hung up."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += (more := line.recv(65536))
        if not more:
            return ""
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += line.recv(65536)
    return f"{head.decode()}\r\n\r\n{body.decode()}"


def reply(body: bytes | str = "billing", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return the bytes of a reply. A text is wrapped in a chat completion."""
    whole = body if isinstance(body, bytes) else json.dumps(completion(body)).encode()
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"content-length: {len(whole) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + whole


def chunked(*parts: bytes) -> bytes:
    """Return a chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


@contextmanager
def wire(*answers: Sequence[Part], host: str = "127.0.0.1", tls: Any = None) -> Iterator[Wire]:
    """Run a server inside the `with` block: one answer per request; the last answer repeats."""
    server = Wire(lambda number: answers[min(number, len(answers) - 1)], host, tls)
    try:
        yield server
    finally:
        server.close()
