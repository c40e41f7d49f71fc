"""Size and speed of each quantization of SmolLM2. Compare the ratios.

    python bench/speed/ladder.py [-n 12] [--to F16,Q8_0,Q4_1,Q4_K_M,Q2_K]

Each row is a separate process. It requests one word for each of `n` short tickets with a common prefix, like
`ticket_triage`. Rows alternate (`--rounds`), so that other load slows all of them; the median round counts. A missing
file is created first (extra `quantize`).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
from time import perf_counter

from harness.backends.local import models
from harness.backends.providers.llamacpp import LlamaCppBackend
from harness.core.types import Message, Request, Sampling
from harness.project.config import BackendConfig

NAME = "smollm2-135m-instruct"
SYSTEM = "You are a support triage assistant. Classify the ticket into billing, technical or general. " * 6


async def ms_per_case(n: int, to: str) -> float:
    """Return milliseconds per case, one request at a time. The first request loads the model and is not timed."""
    config = {"name": "x", "provider": "llamacpp", "model": f"{NAME}:{to}", "variant": "local"}
    backend = LlamaCppBackend.connect(BackendConfig.model_validate(config))

    async def complete(i: int) -> None:
        ticket = f"Ticket {i}: the invoice of my account shows {i * 7} seats and we only ever ordered {i * 3}."
        await backend.complete(Request((Message("system", SYSTEM), Message("user", ticket)), Sampling(max_tokens=4)))

    await complete(0)
    started = perf_counter()
    for i in range(1, n + 1):
        await complete(i)
    spent = perf_counter() - started
    await backend.close()
    return 1000 * spent / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=12, help="cases per row and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--to", default="F16,Q8_0,Q4_1,Q4_K_M,Q2_K", help="quantizations")
    parser.add_argument("--row", action="store_true", help="measure one row in this process and print ms per case")
    args = parser.parse_args()
    if args.row:
        print(asyncio.run(ms_per_case(args.n, args.to)))
        return
    steps = args.to.split(",")
    sizes = {step: models.resolve(f"{NAME}:{step}").stat().st_size for step in steps}
    spent: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(args.rounds):
        for step in steps:
            command = [sys.executable, __file__, "--row", "-n", str(args.n), "--to", step]
            spent[step].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    print(f"{'quantization':12}  {'MB':>5}  {'ms a case':>9}  against {steps[0]}")
    for step in steps:
        middle = statistics.median(spent[step])
        print(f"{step:12}  {sizes[step] / 1e6:5.0f}  {middle:9.0f}  {statistics.median(spent[steps[0]]) / middle:.2f}x")


if __name__ == "__main__":
    main()
