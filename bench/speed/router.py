"""What the router costs: CPU of this process a call, beside the bare client, on the same server in one run.

python bench/speed/router.py [--server SCRIPT]

`bare` is the OpenAI SDK as it comes, `ours` the SDK over connections of ours, `routed` the same call through the
router, which uses those: it is held against both. `backend` is what `router.ask` stands on, with the
prompt rendered and the reply read, and `asked` is `router.ask`. `log` is the thread that writes the rows of both into
SQLite, a row; it is part of what the router adds. The server answers at once and is no model. Small blocks of the kinds
take turns, so that other work on the machine hits all of them alike.
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
from harness.router._ask import TaskSpec

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
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", type=Path, default=None, help="another server, that takes --port and --latency-ms")
    parser.add_argument("--calls", type=int, default=3200, help="of each kind")
    told = parser.parse_args()
    with _tickets.server(0, told.server) as url, tempfile.TemporaryDirectory() as folder:
        root = _tickets.make_project(Path(folder), 10, url)
        with (root / "harness.toml").open("a", encoding="utf-8") as file:
            file.write(SPARE.format(url=url))
        (root / "routing.toml").write_text(ROUTING, encoding="utf-8")
        print("at once   kind        ms CPU a call   times   added, with the log")
        for at_once in (1, 32, 500):
            asyncio.run(measure(root, url, told.calls, at_once))


async def measure(root: Path, url: str, calls: int, at_once: int) -> None:
    """Print a line a kind."""
    backend = backends.connect(config.load(root).backend("server"))
    work = TaskSpec(load_eval(root / "evals" / "tickets.toml"), PromptLibrary(root / "prompts"))

    async def asked_bare(text: str) -> None:
        work.task.contract.read(await backend.complete(work.request("gpt", {"text": text})))

    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
    ours = openai_sdk.client(url, "none", 60.0)
    router = ModelRouter.from_file(root / "routing.toml")
    async with client, ours, router:
        kinds: dict[str, Call] = {
            "bare": partial(_created, client),
            "ours": partial(_created, ours),
            "routed": lambda text: router.chat.completions.create(
                task="tickets", messages=[{"role": "user", "content": text}], max_tokens=16
            ),
            "backend": asked_bare,
            "asked": lambda text: router.ask("tickets", text=text),
        }
        spent, others_s = await _in_turns(kinds, calls, at_once)
    await backend.close()
    log_ms = 1000 * others_s / (2 * len(spent["routed"]) * max(BLOCK, at_once))
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


async def _created(client: openai.AsyncOpenAI, text: str) -> Any:
    return await client.chat.completions.create(
        model="mock-1", messages=[{"role": "user", "content": text}], max_tokens=16
    )


async def _in_turns(kinds: dict[str, Call], calls: int, at_once: int) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of CPU a call, of each block of each kind; and the seconds of all other threads."""
    block = max(BLOCK, at_once)
    texts = [text for text, _ in _tickets.tickets(block)]
    spent: dict[str, list[float]] = {kind: [] for kind in kinds}
    for call in kinds.values():  # connections and caches
        await _block(iter(texts), call, at_once)
    await asyncio.sleep(1)
    gc.collect()
    gc.disable()  # a collection falls on whichever kind is running
    whole, ours = process_time(), thread_time()
    for _ in range(calls // block):
        for kind, call in kinds.items():
            began = thread_time()
            await _block(iter(texts), call, at_once)
            spent[kind].append(1000 * (thread_time() - began) / block)
    await asyncio.sleep(1)  # the last rows
    gc.enable()
    return spent, process_time() - whole - (thread_time() - ours)


async def _block(pending: Iterator[str], call: Call, at_once: int) -> None:
    async def worker() -> None:
        for text in pending:
            await call(text)

    await asyncio.gather(*(worker() for _ in range(at_once)))


if __name__ == "__main__":
    main()
