"""Whatever a server does on the wire, a case ends with its own answer or with an error: never another's, never a hang.

What is a matter of the reply's text alone is in tests/backends/openai; time-outs, retries and storms are in
tests/runner/engine, processes that are killed in test_kill.py. `bench/faults/faults.py` does all of it to the real command at length.
"""

from __future__ import annotations

import gzip
import io
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from harness.core.types import Run
from harness.runner.pacing import retries
from harness.store.runs import Store, open_store

from ..support.project import Project
from ..support.rough import Rough, Serve, answers, echo, http, reset, rough
from ..support.running import cases, config_of, execute
from ..support.servers import skip_certificates

N = 12
BAD = "ticket 5"
"""The case that meets the trouble."""
MOST_BYTES = 64_000_000
"""No reply is worth more memory than this, however much of it there is."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    opened = open_store(project.load().store_url)
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[Rough]:
    with rough() as one:
        yield one


def run_against(server: Rough, project: Project, store: Store, jobs: int = 2, **backend: object) -> Run:
    """All cases, asked of the server."""
    cases(project, N)
    project.config(config_of(url=server.base_url, **({"retries": 1, "timeout_s": 5.0} | backend)))
    outcome = execute(project, store, jobs=jobs)
    assert (outcome.failures, outcome.skipped) == ((), ())
    return outcome.runs[0]


def errors(run: Run) -> dict[str, str]:
    """Question -> kind of error; whatever has none must be the question's own answer, and no error has a score."""
    found = {}
    for result in run.results:
        question = str(result.case.inputs["text"])
        if result.response.error is None:
            assert result.response.text == question
        else:
            assert (result.reading, result.score) == (None, None)
            found[question] = result.response.error.kind
    assert len(run.results) == N
    return found


def meets(trouble: Serve, *, times: int | None = None) -> Serve:
    """One case meets the trouble: whenever it is asked, or the first few times."""
    count = iter(range(10**6))

    def serve(question: str, connection: socket.socket) -> bool:
        bad = question == BAD and (times is None or next(count) < times)
        return (trouble if bad else answers)(question, connection)

    return serve


def sends(make: Callable[[str], bytes], *, stays: bool = False) -> Serve:
    """Some bytes, and the end of the connection."""

    def serve(question: str, connection: socket.socket) -> bool:
        connection.sendall(make(question))
        return stays

    return serve


def headers_of(question: str) -> bytes:
    return http(echo(question)).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def chunk_of(question: str) -> bytes:
    """The whole JSON in one chunk, and then not the end of the reply."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n" % (len(echo(question)), echo(question))


# Connections that end

CLOSES = {
    "before the reply": sends(lambda _: b""),
    "with a reset": lambda _, connection: reset(connection),
    "after the headers": sends(headers_of),
    "amid the body": sends(lambda question: http(echo(question))[:-40]),
    "amid the chunks": sends(chunk_of),
    "after what is no HTTP": sends(lambda _: b"\x15\x03\x01\x00\x02\x02\x28 billing"),
}


@pytest.mark.parametrize("trouble", CLOSES.values(), ids=CLOSES)
def test_lost_connection_costs_one_retry_then_only_that_case(
    project: Project, store: Store, server: Rough, trouble: Serve
) -> None:
    server.serve = meets(trouble, times=1)
    assert errors(run_against(server, project, store)) == {}
    server.serve = meets(trouble)
    again = execute(project, store, cache=False, jobs=2).runs[0]
    assert errors(again) == {BAD: "connection"}
    assert server.asked[BAD] == 4
    assert sum(server.asked.values()) == 2 * N + 2


def test_connection_closed_between_requests_costs_no_result(project: Project, store: Store, server: Rough) -> None:
    server.serve = sends(lambda question: http(echo(question)))
    assert errors(run_against(server, project, store, retries=4)) == {}
    assert set(server.asked.values()) == {1}  # a request that crossed the end was never read


def test_restarted_server_is_waited_for(
    project: Project, store: Store, server: Rough, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.1)
    down = threading.Event()

    def restart(question: str, connection: socket.socket) -> bool:
        if question == BAD and not down.is_set():
            down.set()
            server.stop()
            threading.Timer(0.3, server.start).start()
            return False
        return answers(question, connection)

    server.serve = restart
    assert errors(run_against(server, project, store, retries=5)) == {}


def test_unresolved_host_skips_first_then_fails_single_cases(
    project: Project, store: Store, server: Rough, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, known = socket.getaddrinfo, [False]

    def look_up(host: object, *more: object, **named: object) -> object:
        if host not in ("model.test", b"model.test"):
            return found(host, *more, **named)  # type: ignore[arg-type]
        if not known[0]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return found("127.0.0.1", *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv("NO_PROXY", "*")
    cases(project, N)
    project.config(config_of(url=f"http://model.test:{server.port}/v1", retries=1))
    ((name, reason),) = execute(project, store).skipped
    assert (name, "Temporary failure in name resolution" in reason, "\n" in reason) == ("fake", True, False)

    def forgets(question: str, connection: socket.socket) -> bool:
        """From here to the next question but one, no connection can be made."""
        known[0] = question != BAD
        connection.sendall(http(echo(question), connection="close"))
        return False

    known[0], server.serve = True, forgets
    run = execute(project, store, jobs=1).runs[0]
    assert set(errors(run)) == {f"ticket {number}" for number in range(6, N)}
    assert set(errors(run).values()) == {"connection"}


# Replies that nobody asked for


@pytest.mark.parametrize("way", ["lean", "sdk"])
def test_extra_reply_is_not_used_for_the_next_request(
    project: Project, store: Store, server: Rough, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    server.serve = meets(sends(lambda question: http(echo(question)) + http(echo("billing")), stays=True))
    cases(project, N)
    text = config_of(url=server.base_url, retries=1)
    if way == "sdk":  # as if it were api.openai.com
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("base_url"))
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-faulty")
    project.config(text)
    (run,) = execute(project, store, jobs=1).runs
    assert errors(run) == {}
    assert set(server.asked.values()) == {1}


def test_unsolicited_reply_on_idle_connection_is_discarded(project: Project, store: Store, server: Rough) -> None:
    def late(question: str, connection: socket.socket) -> bool:
        answers(question, connection)
        connection.sendall(http(b"", "408 Request Timeout", connection="close"))
        return False

    server.serve = late
    assert errors(run_against(server, project, store)) == {}


def test_bytes_beyond_content_length_harm_no_other_case(project: Project, store: Store, server: Rough) -> None:
    def short(question: str) -> bytes:
        body = echo(question)
        return http(body, content_length=str(len(body) - 40))

    server.serve = meets(sends(short, stays=True))
    assert errors(run_against(server, project, store, jobs=1, retries=0)) == {BAD: "bad_reply"}
    assert set(server.asked.values()) == {1}


# Replies that do not end


@pytest.mark.parametrize("every_s", [0.02, 60.0])
def test_slow_or_missing_reply_is_a_timeout(project: Project, store: Store, server: Rough, every_s: float) -> None:
    over = threading.Event()

    def drips(question: str, connection: socket.socket) -> bool:
        for byte in http(echo(question)):
            if over.wait(every_s):
                break
            connection.sendall(bytes([byte]))
        return False

    server.serve = meets(drips)
    run = run_against(server, project, store, timeout_s=0.5, retries=0)
    over.set()
    assert errors(run) == {BAD: "timeout"}


def endless(question: str, connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
    for _ in range(300):
        connection.sendall(b" " * 1_000_000)
    return False


def fifty_megabytes(question: str, connection: socket.socket) -> bool:
    connection.sendall(headers_of(question).replace(b"content-length: ", b"content-length: 50000"))
    for _ in range(50):
        connection.sendall(b" " * 1_000_000)
    return False


def bomb(_: str) -> bytes:
    """A few hundred kilobytes that unpack to 150 MB."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for _ in range(150):
            file.write(b" " * 1_000_000)
    return http(packed.getvalue(), content_encoding="gzip")


LARGE = {"without a length": endless, "50 MB": fifty_megabytes, "packed": sends(bomb)}


@pytest.mark.parametrize("trouble", LARGE.values(), ids=LARGE)
def test_oversized_reply_is_an_error_and_takes_little_memory(
    project: Project, store: Store, server: Rough, trouble: Serve
) -> None:
    served: list[int] = []

    def watched(question: str, connection: socket.socket) -> bool:
        tracemalloc.reset_peak()
        served.append(tracemalloc.get_traced_memory()[0])
        return trouble(question, connection)

    server.serve = meets(watched)
    tracemalloc.start(1)
    try:
        run = run_against(server, project, store, timeout_s=20.0, retries=0)
        assert tracemalloc.get_traced_memory()[1] - served[0] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert errors(run) == {BAD: "too_large"}


# Another model


def test_run_answered_by_two_models_names_both(project: Project, store: Store, server: Rough) -> None:
    def swapped(question: str) -> bytes:
        return http(echo(question).replace(b'"fake-model"', b'"other-model"'))

    server.serve = meets(sends(swapped, stays=True))
    run = run_against(server, project, store)
    assert errors(run) == {}
    assert "fake-model" in run.manifest.fingerprint["served_model"]
    assert "other-model" in run.manifest.fingerprint["served_model"]
