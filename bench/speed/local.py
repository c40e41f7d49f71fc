"""What `harness run` makes of a local model: against asking one by one, and against what the server's own times allow.

    python bench/speed/local.py [-n 60] [--slots 4]

SmolLM2 on the tickets of `ticket_triage`, embedded (one slot) and behind llama.cpp's own HTTP server with several
slots, whose number the harness is not told. `limit`: slots / (seconds of reading the prompt + of writing the reply), as
the server itself measures them in that row. `at once` is where the harness ends up. The last rows ask one by one: what
the prefix cache brings, and what is left of it where two prompts take turns on one slot. Each row is a process of its
own; the machine's other work is in the figures, so read the ratios.
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
    """Keeps the pace of the backend that was asked."""

    pace: Pace | None = None

    def paced(self, _backend: str, pace: Pace) -> None:
        """Called before the first request."""
        self.pace = pace


def serve(slots: int) -> None:
    """llama.cpp's HTTP server, until standard input ends."""
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
    """The address of such a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(slots)]
    waits = os.environ | {"GOMP_SPINCOUNT": SPIN_COUNT}  # as the embedded engine's threads do
    with subprocess.Popen(command, env=waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


async def one_by_one(cell: Cell, requests: Sequence[Request]) -> tuple[float, list[Response]]:
    """Seconds and responses; the first request, which loads the model, is not timed."""
    backend = connect(cell.backend)
    await backend.complete(requests[-1])
    started = perf_counter()
    told = [await backend.complete(request) for request in requests]
    spent = perf_counter() - started
    await backend.close()
    return spent, told


def measure(folder: Path, row: Row, n: int) -> dict[str, float]:
    """One row: `n` cases a variant."""
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
            told = [result.response for result in run.results]
            at_once = heard.pace.now if heard.pace else 0
        else:
            asks = [[request for _, request in cell.requests] for cell in cells]
            requests = [request for together in zip(*asks, strict=True) for request in together]
            spent, told = asyncio.run(one_by_one(cells[0], requests))
            at_once = 1
    failed = [response.error for response in told if response.error is not None]
    assert not failed, failed
    prompt_s = mean(response.prompt_s or 0.0 for response in told)
    reply_s = mean(response.generation_s or 0.0 for response in told)
    limit = row.slots / (prompt_s + reply_s)
    return {"speed": len(told) / spent, "limit": limit, "at_once": at_once, "prompt": prompt_s, "reply": reply_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60, help="cases a row")
    parser.add_argument("--slots", type=int, default=4, help="slots of the HTTP server")
    parser.add_argument("--serve", type=int, help="be that server")
    parser.add_argument("--row", type=int, help="measure one row in this process")
    parser.add_argument("--folder", type=Path, help="the project of --row")
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    several = f"served, {chosen.slots} slots"
    rows = [
        Row("embedded", "embedded", "loop"),
        Row("embedded", "embedded", "harness"),
        Row(several, "served", "loop"),
        Row(several, "served", "harness", chosen.slots),
        Row("1 slot, no prefix cache", "no-cache", "loop"),
        Row("embedded, prompts take turns", "embedded", "alternating"),
    ]
    if chosen.row is not None:
        print(json.dumps(measure(chosen.folder, rows[chosen.row], chosen.n)))
        return
    print(f"{'':28}  {'asked':11}  cases/s  limit  of it  at once  prompt ms  reply ms")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("evals/ticket_triage.toml", "prompts", "datasets/ticket_triage"):
            (folder / part).parent.mkdir(exist_ok=True)
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
        for number, row in enumerate(rows):
            slots = chosen.slots if row.what == several else 1
            with nullcontext("http://127.0.0.1") if row.backend == "embedded" else served(slots) as url:
                (folder / "harness.toml").write_text(PROJECT.format(model=MODEL, url=url), encoding="utf-8")
                command = [sys.executable, __file__, "--row", str(number), "--folder", name, "-n", str(chosen.n)]
                command += ["--slots", str(chosen.slots)]
                told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            print(
                f"{row.what:28}  {row.how:11}  {told['speed']:7.2f}  {told['limit']:5.2f}  "
                f"{told['speed'] / told['limit']:5.0%}  {told['at_once']:7.0f}  {1000 * told['prompt']:9.0f}  "
                f"{1000 * told['reply']:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
