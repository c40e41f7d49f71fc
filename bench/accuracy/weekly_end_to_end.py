"""`harness weekly --no-cache` for months, against a server whose answers change by themselves. Counts the alarms.

    python bench/accuracy/weekly_end_to_end.py                       # 48 cells, 300 cases, 20 weeks: about 15 minutes
    python bench/accuracy/weekly_end_to_end.py --cells 4 --cases 100 --weeks 4

The server is not a model: it answers right, except that a share of the cases is right in every second request only. In
the last weeks, 7% of the cases of the first cell are wrong for good. The command is the real one, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import json
import os
import random
import sys
import tempfile
import threading
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

from harness import cli

FIRST = date(2026, 1, 5)
DROP_PER_MILLE = 70
DROP_WEEKS = 2
"""The last weeks of the simulation, in which the drop lasts."""

PROMPT = """\
{% system %}Answer with one of: {{ labels | join(', ') }}.{% endsystem %}
{% user %}<t>{{ text }}</t>{% enduser %}
"""


class Answers:
    """What the server answers. `dropped`: whether the first cell has its drop."""

    def __init__(self, flips: float) -> None:
        self.flaky_per_mille = 2000 * flips
        self.dropped = False
        self._random = random.Random(0)

    def reply(self, ticket: str) -> str:
        """The label, or another one."""
        kind = int.from_bytes(hashlib.sha256(ticket.encode()).digest()[:4], "big")
        lost = self.dropped and ticket.startswith("e00 ") and (kind >> 10) % 1000 < DROP_PER_MILLE
        flaky = kind % 1000 < self.flaky_per_mille and self._random.random() < 0.5
        return "no" if lost or flaky else "yes"


async def _handle(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length)) if length else b""
            if head.startswith(b"post"):
                prompt = json.loads(body)["messages"][-1]["content"]
                text = answers.reply(prompt.partition("<t>")[2].partition("</t>")[0])
                choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                answer = {"id": "c", "object": "chat.completion", "created": 0, "model": "mock-1", "choices": [choice]}
            else:
                answer = {"object": "list", "data": [{"id": "mock-1", "object": "model"}], "version": "0.11.0"}
            sent = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(sent))
            writer.write(sent)
            await writer.drain()
    writer.close()


def serve(answers: Answers) -> str:
    """Start the server in a thread; return its base URL."""
    ready: list[int] = []
    started = threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(lambda r, w: _handle(answers, r, w), "127.0.0.1", 0, backlog=1024)
        ready.append(server.sockets[0].getsockname()[1])
        started.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    started.wait()
    return f"http://127.0.0.1:{ready[0]}/v1"


def project(folder: Path, cells: int, cases: int, base_url: str) -> None:
    """Write a project with one eval per cell."""
    backend = f'[backends.server]\nprovider = "vllm"\nmodel = "mock-1"\nvariant = "local"\nbase_url = "{base_url}"\n'
    (folder / "harness.toml").write_text(f"{backend}concurrency = 50\n[weekly]\nnoise_cases = 0\n", encoding="utf-8")
    for kind in ("evals", "prompts/p/v1"):
        (folder / kind).mkdir(parents=True)
    for variant in ("gpt", "local"):
        (folder / f"prompts/p/v1/{variant}.j2").write_text(PROMPT, encoding="utf-8")
    for cell in range(cells):
        name = f"e{cell:02}"
        data = folder / "datasets" / name
        data.mkdir(parents=True)
        text = f'task = "classification"\nprompt = "p"\ndataset = "{name}"\nlabels = ["yes", "no"]\n'
        (folder / "evals" / f"{name}.toml").write_text(text, encoding="utf-8")
        card = f'name = "{name}"\ndescription = "made"\nlicence = "CC0-1.0"\nlabel_source = "made"\n'
        (data / "card.toml").write_text(card, encoding="utf-8")
        rows = [{"id": f"c{i}", "inputs": {"text": f"{name} case {i}"}, "expected": "yes"} for i in range(cases)]
        (data / "cases.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def weekly(day: date) -> tuple[int, str]:
    """Run the command; return its exit code and its output."""
    out = io.StringIO()
    arguments = ["harness", "weekly", "--date", day.isoformat(), "--no-cache", "--quiet"]
    with patch.object(sys, "argv", arguments), contextlib.redirect_stdout(out), patch("harness.report.write"):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def main() -> None:
    """Run the weeks and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("cells", 48), ("cases", 300), ("weeks", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--flips", type=float, default=0.03)
    asked = parser.parse_args()
    answers = Answers(asked.flips)
    base_url = serve(answers)
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder), asked.cells, asked.cases, base_url)
        os.chdir(folder)
        alarms, again = [], 0
        for week in range(asked.weeks):
            answers.dropped = week >= asked.weeks - DROP_WEEKS
            code, out = weekly(FIRST + timedelta(weeks=week))
            lines = [line for line in out.splitlines() if line.startswith("failed")]
            again += sum("a second run" in line for line in out.splitlines())
            alarms.append(code == 1)
            print(
                f"week {week + 1}: exit {code}{', drop' if answers.dropped else ''} {' '.join(lines)[:100]}", flush=True
            )
    quiet, dropped = alarms[:-DROP_WEEKS], alarms[-DROP_WEEKS:]
    print(f"\n{sum(quiet)} false alarms in {len(quiet)} weeks of {asked.cells} cells; {again} second runs")
    print(f"the drop was found in week {dropped.index(True) + 1}" if any(dropped) else "the drop was not found")


if __name__ == "__main__":
    main()
