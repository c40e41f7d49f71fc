"""How fast `harness run` uses a local model, compared with one request at a time and with the server's limit.

    python bench/speed/local.py [-n 60] [--slots 4]

SmolLM2 on the tickets of `ticket_triage`: embedded (one slot), and behind llama.cpp's HTTP server with several slots,
whose number the harness does not know. `limit`: slots / (prompt seconds + reply seconds), as the server measures them
in that row. `at once`: the harness's final concurrency. The last rows send one request at a time, to show the effect of
the prefix cache, and of two prompts that alternate on one slot. Each row is a separate process. Other load is in the
figures: compare the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import perf_counter

from harness.backends import connect
from harness.backends.local import models
from harness.cli._process import SPIN_COUNT, settings
from harness.core.types import Request, Response
from harness.project.run_options import RunOptions
from harness.runner import execution
from harness.runner.events import RunEvents
from harness.runner.pacing import Pace
from harness.runner.plan import Cell
from harness.runner.project import Project

MODEL = "smollm2-135m-instruct"
ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
[backends.embedded]
provider = "llamacpp"
model = "{model}"
variant = "local"

[backends.served]
provider = "openai"
model = "{model}"
variant = "local"
base_url = "{url}/v1"

[backends.no-cache]
provider = "openai"
model = "{model}"
variant = "local"
base_url = "{url}/v1"
extra_body = {{ cache_prompt = false }}
"""


@dataclass(frozen=True)
class Row:
    """`how`: loop (one by one), harness, or alternating (one by one, the two variants of the prompt in turn)."""

    what: str
    backend: str
    how: str
    slots: int = 1


class Paces(RunEvents):
    """Remembers the pace of the backend."""

    pace: Pace | None = None

    def paced(self, _backend: str, pace: Pace) -> None:
        """Store the pace; called before the first request."""
        self.pace = pace


def serve(slots: int) -> None:
    """Run llama.cpp's HTTP server until standard input ends."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(models.resolve(MODEL))
    parameters.model_alias = {MODEL}
    parameters.n_parallel = slots
    parameters.n_ctx = 4096 * slots
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


@contextmanager
def served(slots: int) -> Iterator[str]:
    """Start that server in a separate process and yield its address."""
    command = [sys.executable, __file__, "--serve", str(slots)]
    waits = os.environ | {"GOMP_SPINCOUNT": SPIN_COUNT}  # as for the embedded engine
    with subprocess.Popen(command, env=waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


async def one_by_one(cell: Cell, requests: Sequence[Request]) -> tuple[float, list[Response]]:
    """Return seconds and responses, one request at a time. The request that loads the model is not timed."""
    backend = connect(cell.backend)
    await backend.complete(requests[-1])
    started = perf_counter()
    responses = [await backend.complete(request) for request in requests]
    spent = perf_counter() - started
    await backend.close()
    return spent, responses


def measure(folder: Path, row: Row, n: int) -> dict[str, float]:
    """Measure one row: `n` cases per variant."""
    variants = ("local", "gpt") if row.how == "alternating" else ("local",)
    options = RunOptions(backend=(row.backend,), variant=variants, limit=n, cache=False)
    with settings(), Project.open(folder) as project:
        cells = execution.cells(project, ["ticket_triage"], options)
        if row.how == "harness":
            heard = Paces()
            outcome = execution.execute(project, cells, options, heard)
            for failure in outcome.failures:
                raise failure
            (run,) = outcome.runs
            spent = (run.manifest.wall_s or 0.0) - (run.manifest.cold_start_s or 0.0)
            responses = [result.response for result in run.results]
            at_once = heard.pace.current_limit if heard.pace else 0
        else:
            asks = [[request for _, request in cell.requests] for cell in cells]
            requests = [request for together in zip(*asks, strict=True) for request in together]
            spent, responses = asyncio.run(one_by_one(cells[0], requests))
            at_once = 1
    failed = [response.error for response in responses if response.error is not None]
    assert not failed, failed
    prompt_s = mean(response.prompt_s or 0.0 for response in responses)
    reply_s = mean(response.generation_s or 0.0 for response in responses)
    limit = row.slots / (prompt_s + reply_s)
    return {"speed": len(responses) / spent, "limit": limit, "at_once": at_once, "prompt": prompt_s, "reply": reply_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60, help="cases a row")
    parser.add_argument("--slots", type=int, default=4, help="slots of the HTTP server")
    parser.add_argument("--serve", type=int, help="be that server")
    parser.add_argument("--row", type=int, help="measure one row in this process")
    parser.add_argument("--folder", type=Path, help="the project of --row")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    several = f"served, {args.slots} slots"
    rows = [
        Row("embedded", "embedded", "loop"),
        Row("embedded", "embedded", "harness"),
        Row(several, "served", "loop"),
        Row(several, "served", "harness", args.slots),
        Row("1 slot, no prefix cache", "no-cache", "loop"),
        Row("embedded, prompts take turns", "embedded", "alternating"),
    ]
    if args.row is not None:
        print(json.dumps(measure(args.folder, rows[args.row], args.n)))
        return
    print(f"{'':28}  {'asked':11}  cases/s  limit  of it  at once  prompt ms  reply ms")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("evals/ticket_triage.toml", "prompts", "datasets/ticket_triage"):
            (folder / part).parent.mkdir(exist_ok=True)
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
        for number, row in enumerate(rows):
            slots = args.slots if row.what == several else 1
            with nullcontext("http://127.0.0.1") if row.backend == "embedded" else served(slots) as url:
                (folder / "harness.toml").write_text(PROJECT.format(model=MODEL, url=url), encoding="utf-8")
                command = [sys.executable, __file__, "--row", str(number), "--folder", name, "-n", str(args.n)]
                command += ["--slots", str(args.slots)]
                values = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            print(
                f"{row.what:28}  {row.how:11}  {values['speed']:7.2f}  {values['limit']:5.2f}  "
                f"{values['speed'] / values['limit']:5.0%}  {values['at_once']:7.0f}  {1000 * values['prompt']:9.0f}  "
                f"{1000 * values['reply']:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
