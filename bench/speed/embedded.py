"""What the embedded engine's defaults gain: number of slots, and how threads wait. Compare the ratios.

    python bench/speed/embedded.py [-n 12]

Each row is a separate process. It requests 32 tokens from SmolLM2 for each of `n` short tickets with a common prefix.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from time import perf_counter

from harness.backends.providers.llamacpp import LlamaCppBackend
from harness.core.types import Message, Request, Sampling
from harness.project.config import BackendConfig

SYSTEM = "You are a support triage assistant. Classify the ticket into billing, technical or general. " * 6
BUSY = [sys.executable, "-c", "while True: pass"]
WAITS = {
    "ours": {},
    "OpenMP's own": {"GOMP_SPINCOUNT": "300000"},
    "passive": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"},
}


async def cases_per_s(n: int, slots: int) -> float:
    """Return cases per second with one request per slot. The first request loads the model and is not timed."""
    config = {"name": "x", "provider": "llamacpp", "model": "smollm2-135m-instruct", "variant": "local"}
    backend = LlamaCppBackend.connect(BackendConfig.model_validate({**config, "concurrency": slots}))
    limit = asyncio.Semaphore(slots)

    async def complete(i: int) -> None:
        messages = (Message("system", SYSTEM), Message("user", f"Ticket {i}: the invoice of my account shows {i * 7}."))
        async with limit:
            await backend.complete(Request(messages, Sampling(max_tokens=32)))

    await complete(0)
    started = perf_counter()
    await asyncio.gather(*(complete(i) for i in range(1, n + 1)))
    spent = perf_counter() - started
    await backend.close()
    return n / spent


def measure(n: int, slots: int, waits: str, busy: int) -> float:
    """Return cases per second of a new process beside `busy` busy ones. OpenMP reads its settings only at the start."""
    command = [sys.executable, __file__, "-n", str(n), "--slots", str(slots)]
    others = [subprocess.Popen(BUSY) for _ in range(busy)]
    try:
        ended = subprocess.run(command, env=os.environ | WAITS[waits], capture_output=True, text=True, check=True)
    finally:
        for other in others:
            other.kill()
            other.wait()
    return float(ended.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=12, help="cases per row")
    parser.add_argument("--slots", type=int, help="measure one row in this process and print its cases per second")
    args = parser.parse_args()
    if args.slots:
        print(asyncio.run(cases_per_s(args.n, args.slots)))
        return
    print(f"{'slots':>5}  {'threads wait':12}  {'busy processes beside':21}  cases/s")
    for slots, waits, busy in (
        (1, "ours", 0),
        (8, "ours", 0),
        (1, "OpenMP's own", 0),
        (1, "passive", 0),
        (1, "ours", 2),
        (1, "passive", 2),
    ):
        print(f"{slots:5}  {waits:12}  {busy:21}  {measure(args.n, slots, waits, busy):7.2f}", flush=True)


if __name__ == "__main__":
    main()
