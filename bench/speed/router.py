"""CPU time that the router adds to a call, compared with the bare client on the same server.

    python bench/speed/router.py [--server SCRIPT]

Each call is measured five ways:

    bare      the OpenAI SDK with its own connections
    ours      the OpenAI SDK over the harness's connections
    routed    `router.chat.completions.create`, compared with both
    backend   the backend alone: prompt rendered, reply read
    asked     `router.ask`, compared with `backend`

`log` is the thread that writes the traffic log to SQLite, per row; the added time includes it. The server is a fake
that answers at once. The five kinds run in small alternating blocks, so that other load hits all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from time import process_time, thread_time
from typing import Any

import _tickets
import openai

from harness import backends
from harness.backends.http import openai_sdk
from harness.project import config
from harness.project.evals import load as load_eval
from harness.project.prompts import PromptLibrary
from harness.router import ModelRouter
from harness.router._eval_request import TaskSpec

ROUTING = """\
[tiers]
local = "server"
api_frontier = "spare"

[tasks.tickets]
tiers = ["local", "api_frontier"]
"""
SPARE = '\n[backends.spare]\nprovider = "vllm"\nmodel = "mock-1"\nvariant = "gpt"\nbase_url = "{url}"\n'
BLOCK = 32
LIMIT_MS = 0.2

Call = Callable[[str], Awaitable[Any]]


def main() -> None:
    """Print a table: each kind of call, one at a time and many at once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", type=Path, default=None, help="server script that takes --port and --latency-ms")
    parser.add_argument("--calls", type=int, default=3200, help="calls of each kind")
    args = parser.parse_args()
    with _tickets.server(0, args.server) as url, tempfile.TemporaryDirectory() as folder:
        root = _tickets.make_project(Path(folder), 10, url)
        with (root / "harness.toml").open("a", encoding="utf-8") as file:
            file.write(SPARE.format(url=url))
        (root / "routing.toml").write_text(ROUTING, encoding="utf-8")
        print("at once   kind        ms CPU a call   times   added, with the log")
        for at_once in (1, 32, 500):
            asyncio.run(measure(root, url, args.calls, at_once))


async def measure(root: Path, url: str, calls: int, at_once: int) -> None:
    """Print a line for each kind of call."""
    backend = backends.connect(config.load(root).backend("server"))
    spec = TaskSpec(load_eval(root / "evals" / "tickets.toml"), PromptLibrary(root / "prompts"))

    async def complete_and_read(text: str) -> None:
        spec.task.contract.read(await backend.complete(spec.request("gpt", {"text": text})))

    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
    ours = openai_sdk.client(url, "none", 60.0)
    router = ModelRouter.from_file(root / "routing.toml")
    async with client, ours, router:
        kinds: dict[str, Call] = {
            "bare": partial(_create, client),
            "ours": partial(_create, ours),
            "routed": lambda text: router.chat.completions.create(
                task="tickets", messages=[{"role": "user", "content": text}], max_tokens=16
            ),
            "backend": complete_and_read,
            "asked": lambda text: router.ask("tickets", text=text),
        }
        spent, log_thread_s = await _measure_blocks(kinds, calls, at_once)
    await backend.close()
    log_ms = 1000 * log_thread_s / (2 * len(spent["routed"]) * max(BLOCK, at_once))
    for kind, base in (
        ("bare", ""),
        ("routed", "bare"),
        ("ours", ""),
        ("routed", "ours"),
        ("backend", ""),
        ("asked", "backend"),
    ):
        line = f"{at_once:7}   {kind:8} {statistics.median(spent[kind]):16.3f}"
        if base:
            added = statistics.median(a - b for a, b in zip(spent[kind], spent[base], strict=True)) + log_ms
            times = (statistics.median(spent[base]) + added) / statistics.median(spent[base])
            line += f"   {times:5.2f}   {added:+.3f}{'' if added <= LIMIT_MS else f': more than {LIMIT_MS}'}"
        print(line)
    print(f"{at_once:7}   log      {log_ms:16.3f}           {router.dropped} rows dropped")


async def _create(client: openai.AsyncOpenAI, text: str) -> Any:
    return await client.chat.completions.create(
        model="mock-1", messages=[{"role": "user", "content": text}], max_tokens=16
    )


async def _measure_blocks(kinds: dict[str, Call], calls: int, at_once: int) -> tuple[dict[str, list[float]], float]:
    """Return CPU milliseconds per call, for each kind and block, and the CPU seconds of all other threads."""
    block = max(BLOCK, at_once)
    texts = [text for text, _ in _tickets.tickets(block)]
    spent: dict[str, list[float]] = {kind: [] for kind in kinds}
    for call in kinds.values():  # warm up connections and caches
        await _block(iter(texts), call, at_once)
    await asyncio.sleep(1)
    gc.collect()
    gc.disable()  # a collection would count for whichever kind is running
    process_s, thread_s = process_time(), thread_time()
    for _ in range(calls // block):
        for kind, call in kinds.items():
            began = thread_time()
            await _block(iter(texts), call, at_once)
            spent[kind].append(1000 * (thread_time() - began) / block)
    await asyncio.sleep(1)  # until the last rows are written
    gc.enable()
    return spent, process_time() - process_s - (thread_time() - thread_s)


async def _block(pending: Iterator[str], call: Call, at_once: int) -> None:
    async def worker() -> None:
        for text in pending:
            await call(text)

    await asyncio.gather(*(worker() for _ in range(at_once)))


if __name__ == "__main__":
    main()
