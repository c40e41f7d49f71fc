"""Both HTTP clients with proxies from the environment, and with certificates."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.backends.http.client import HTTPClient
from harness.backends.providers.openai import OpenAIBackend
from harness.core.types import CallError, Response

from ..support.backend_calls import ask, configured, request
from ..support.wire import Wire, read_request, reply, wire

READ_CERTIFICATES = ssl.SSLContext.load_verify_locations
"""As it was before the fixture of this folder turned it off."""

pytestmark = pytest.mark.usefixtures("way")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        for form in (name, name.lower()):
            monkeypatch.delenv(form, raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    key = path.with_suffix(".key")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    where = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path)]
    subprocess.run([*command.split(), *where], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", READ_CERTIFICATES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with wire([reply()], tls=context) as server:
        yield server


def answers(server: Wire | str, times: int = 1, **config: Any) -> list[Response]:
    base_url = server if isinstance(server, str) else server.base_url
    return ask(configured("openai", base_url, **config), *[request()] * times)


def error_of(response: Response) -> CallError:
    assert response.error is not None
    return response.error


# Certificates


def test_untrusted_certificate_is_refused(secure: Wire) -> None:
    found = error_of(answers(secure)[0])
    assert (found.kind, found.retryable) == ("connection", True)
    assert "CERTIFICATE_VERIFY_FAILED" in found.message
    assert secure.requests == []


def test_certificate_in_ssl_cert_file_is_trusted(
    secure: Wire, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert [response.text for response in answers(secure, 3)] == ["billing"] * 3
    assert secure.connections == 1


def test_a_certificate_for_another_host_is_refused(
    secure: Wire, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    found = error_of(answers(secure.base_url.replace("127.0.0.1", "localhost"))[0])
    assert found.kind == "connection"
    assert secure.requests == []


def test_plain_server_is_rejected_for_https(certificate: Path) -> None:
    with wire([reply()]) as server:
        assert error_of(answers(server.base_url.replace("http://", "https://"), timeout_s=0.5)[0]).kind in (
            "connection",
            "timeout",
        )


# Proxies


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_remote_server_is_called_by_the_environments_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with wire([reply()]) as proxy:
        monkeypatch.setenv(variable, proxy.root.replace("://", "://us:s3cret%21@"))
        assert [response.text for response in answers("http://vllm.example:8000/v1", 2)] == ["billing"] * 2
        assert proxy.requests[1].startswith("POST http://vllm.example:8000/v1/chat/completions HTTP/1.1\r\n")
        assert proxy.head(1)["host"] == "vllm.example:8000"
        assert proxy.head(1)["proxy-authorization"] == "Basic dXM6czNjcmV0IQ=="
        assert proxy.connections == 1


@pytest.mark.parametrize("here", ["127.0.0.1", "localhost,127.0.0.1", "*"])
def test_no_proxy_disables_the_proxy(monkeypatch: pytest.MonkeyPatch, here: str) -> None:
    with wire([None]) as proxy, wire([reply()]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.root)
        monkeypatch.setenv("NO_PROXY", here)
        assert answers(server)[0].text == "billing"
        assert proxy.connections == 0


def test_embedded_server_is_never_called_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with wire([None]) as proxy, wire([reply()]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.root)
        config = configured("openai", server.base_url)

        async def talk() -> str:
            backend = OpenAIBackend(config, transport=HTTPClient(server.base_url, "embedded", proxies=False))
            try:
                return (await backend.complete(request())).text
            finally:
                await backend.close()

        assert asyncio.run(talk()) == "billing"
        assert proxy.connections == 0


def test_tls_to_the_server_passes_through_the_proxy(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", READ_CERTIFICATES)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tunnel = Tunnel(context)
    try:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.root.replace("://", "://us:s3cret@"))
        responses = answers("https://127.0.0.1:8443/v1", 2)
        assert [response.text for response in responses] == ["billing"] * 2
        assert tunnel.connections == 1
        assert tunnel.requests[0].startswith("CONNECT 127.0.0.1:8443 HTTP/1.1\r\n")
        assert tunnel.head(0)["proxy-authorization"] == "Basic dXM6czNjcmV0"
        assert "authorization: bearer" not in tunnel.requests[0].lower()
        assert tunnel.requests[1].startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    finally:
        tunnel.close()


@pytest.mark.parametrize("answer", [[reply(b"no", status="407 Who Are You")], [None], [b"hello\r\n", None]])
def test_refusing_proxy_is_a_call_error(monkeypatch: pytest.MonkeyPatch, answer: list[Any]) -> None:
    with wire(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.root.replace("://", "://us:s3cret@"))
        found = error_of(answers("https://vllm.example/v1")[0])
        assert (found.kind, found.retryable) == ("connection", True)
        assert "s3cret" not in found.message


def test_unsupported_proxy_kind_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert "only http and https" in error_of(answers("http://vllm.example/v1")[0]).message


class Tunnel(Wire):
    """A proxy that answers CONNECT and then acts as the server behind it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(lambda _: [reply()])
        self._context = context

    def _serve(self, line: Any) -> None:
        self.requests.append(read_request(line))
        line.sendall(b"HTTP/1.1 200 Connection established\r\nproxy-agent: fake\r\n\r\n")
        self._tls = self._context
        super()._serve(line)
