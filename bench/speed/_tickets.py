"""A project of synthetic tickets and a fake server that answers them, for the speed benchmarks.

The server implements only the protocol: it waits, then replies with a label that it derives from words of the ticket.
It is not a model, and its figures say nothing about models.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LABELS = ("billing", "technical", "general")
BODIES = (
    ("the invoice shows {n} EUR, although our plan costs {m} EUR.", "please refund the {n} EUR of order {m}."),
    ("it shows error {n} when I open a file larger than {m} MB.", "the app does not sync my {m} documents any more."),
    ("may {m} of us visit your office on the {m}th?", "is there a version for schools with {n} pupils?"),
)
WRONG = 0.12
"""Share of tickets that get a wrong label."""


def tickets(n: int, seed: int = 1) -> Iterator[tuple[str, int]]:
    """Yield `n` different tickets, each with the index of its label."""
    draw = random.Random(seed)
    for number in range(n):
        label = draw.randrange(3)
        body = draw.choice(BODIES[label]).format(n=draw.randint(100, 9999), m=draw.randint(2, 28))
        yield f"Hello, {body} Thanks in advance. (Ticket {number:07d})", label


def make_project(folder: Path, n: int, base_url: str, connections: int = 50) -> Path:
    """Write a project with one eval over `n` tickets and the backend `base_url`."""
    for name in ("evals", "prompts/tickets/v1", "datasets/tickets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "harness.toml").write_text(
        f'[backends.server]\nprovider = "vllm"\nmodel = "mock-1"\nvariant = "gpt"\nbase_url = "{base_url}"\n'
        f"concurrency = {connections}\n",
        encoding="utf-8",
    )
    (folder / "evals" / "tickets.toml").write_text(
        'task = "classification"\nprompt = "tickets"\ndataset = "tickets"\n'
        'labels = ["billing", "technical", "general"]\n',
        encoding="utf-8",
    )
    text = (
        "{% system %}Answer with one of: {{ labels | join(', ') }}.{% endsystem %}\n"
        "{% user %}<ticket>{{ text }}</ticket>{% enduser %}\n"
    )
    for variant in ("gpt", "local"):
        (folder / "prompts" / "tickets" / "v1" / f"{variant}.j2").write_text(text, encoding="utf-8")
    (folder / "datasets" / "tickets" / "card.toml").write_text(
        'name = "tickets"\ndescription = "Synthetic."\nlicence = "CC0-1.0"\nlabel_source = "made"\n', encoding="utf-8"
    )
    with (folder / "datasets" / "tickets" / "cases.jsonl").open("w", encoding="utf-8") as file:
        for number, (ticket, label) in enumerate(tickets(n)):
            row = {"id": f"t{number:07d}", "inputs": {"text": ticket}, "expected": LABELS[label]}
            file.write(json.dumps(row) + "\n")
    return folder


def reply(ticket: str) -> str:
    """Return the server's reply: a label; one reply in ten is a sentence, two in ten end in a full stop."""
    kind = zlib.crc32(ticket.encode())
    right = next((i for i, words in enumerate((("EUR",), ("error", "sync"))) if any(w in ticket for w in words)), 2)
    label = LABELS[(right + 1) % 3 if kind % 1000 < WRONG * 1000 else right]
    form = (kind >> 12) % 10
    return f"The category is: {label}" if form == 0 else f"{label.capitalize()}." if form < 3 else label


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with a content length, one request at a time."""

    latency_s = 0.05

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        if len(rest) < length:
            return
        self.received = rest[length:]
        if head.startswith(b"POST"):
            prompt = json.loads(rest[:length])["messages"][-1]["content"]
            ticket = prompt.partition("<ticket>")[2].partition("</ticket>")[0]
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply(ticket)}}
            usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 2}
            completion = {"id": "c", "object": "chat.completion", "created": 0, "model": "mock-1", "choices": [choice]}
            loop = asyncio.get_running_loop()
            loop.call_later(self.latency_s, self._send, json.dumps({**completion, "usage": usage}).encode())
        elif b"/models" in head.split(b"\r\n")[0]:
            self._send(b'{"object": "list", "data": [{"id": "mock-1", "object": "model"}]}')
        else:
            self._send(b'{"version": "0.11.0"}')

    def _send(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)  # type: ignore[attr-defined]


async def _serve(latency_s: float) -> None:
    _Connection.latency_s = latency_s
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server(latency_ms: float, script: Path | None = None) -> Iterator[str]:
    """Start a server and yield its base URL. `script`: a server that takes --port and --latency-ms, prints its URL."""
    command = [sys.executable, str(script or __file__), "--latency-ms", str(latency_ms)]
    command += ["--port", "0"] if script else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            port = line.split("127.0.0.1:")[1].split("/")[0] if script else line.strip()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=50)
    asyncio.run(_serve(parser.parse_args().latency_ms / 1000))
