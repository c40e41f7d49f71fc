"""The environment of one fault: a project in a folder, its fake server, `harness run` as a process, and the figures.

Of the harness's internals only the store is used, and it is opened as any program would open it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from _faulty_server import LABELS, MODEL, WARM_UP, Server, healthy, label, said

from harness.core.errors import StoreError
from harness.core.types import Result
from harness.store.runs import open_store

JOBS = 8
DURABLE_S = 1.0
"""Seconds after which a reply must survive any fault."""
MOST_IN_HAND = 6 * JOBS
"""Maximum number of replies that wait to be saved."""
HANG_S = 90.0
"""A process that takes longer counts as hanging."""

MOST_MB = 600
"""Memory limit under any fault: the limit for a million cases."""

NEAR = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
"""Loopback must not go through a proxy."""
EVAL = f"""\
task = "classification"
prompt = "p"
dataset = "d"
labels = {json.dumps(LABELS)}
"""


@dataclass(frozen=True)
class Tally:
    """Figures of one fault over all cases.

    `lost`: neither a reply nor an error. `twice`: repeated although the reply was not in flight at any fault.
    `in_flight`: repeated because it was. `wrong`: the store differs from the server's reply.
    """

    lost: int
    twice: int
    in_flight: int
    wrong: int
    errors: int


class Scene:
    """Project, server and processes of one fault."""

    def __init__(
        self, folder: Path, cases: int = 120, latency_s: float = 0.02, *, hosted: bool = False, **backend: object
    ) -> None:
        """Write a project of `cases` tickets to `folder`. `backend`: more keys of its table in harness.toml.

        `hosted`: the server poses as api.openai.com, so that the harness uses the `openai` SDK.
        """
        self.folder = folder
        self.cases = cases
        self.server = Server(latency_s)
        self.moments: list[float] = []
        """Times (monotonic) when a process was killed: requests in flight then may be repeated."""
        self.in_hand: set[int] = set()
        """Cases answered after the store failed: they may be repeated."""
        self.most_runs = 1
        """More runs mean that `--resume` did not continue the existing run."""
        self.ends: list[str] = []
        self.troubles: list[str] = []
        """Violations that fail the fault whatever its figures."""
        self.environment: dict[str, str] = {}
        """Environment variables while the fault lasts."""
        self.hosted = {"OPENAI_BASE_URL": self.server.base_url, "OPENAI_API_KEY": "sk-faulty"} if hosted else {}
        self.peak_mb = 0
        self._write_project({} if hosted else {"base_url": self.server.base_url}, backend)

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.folder / ".harness" / "runs.db"

    def _write_project(self, *backend: Mapping[str, object]) -> None:
        keys: dict[str, object] = {"provider": "openai", "model": MODEL, "variant": "local", "concurrency": JOBS}
        keys |= {"timeout_s": 2.0, "retries": 2}
        for more in backend:
            keys.update(more)
        rows = [
            {"id": f"c-{number:04}", "inputs": {"text": f"ticket {number}"}, "expected": label(number)}
            for number in range(self.cases)
        ]
        for path, text in {
            "harness.toml": "\n".join(["[backends.server]", *(f"{k} = {json.dumps(v)}" for k, v in keys.items())]),
            "evals/faults.toml": EVAL,
            "prompts/p/v1/local.j2": "{% user %}Label {{ text }}{% enduser %}\n",
            "prompts/p/v1/gpt.j2": "{% user %}Label {{ text }}{% enduser %}\n",
            "datasets/d/card.toml": 'name = "d"\ndescription = "Made."\nlicence = "CC0-1.0"\nlabel_source = "made"\n',
            "datasets/d/cases.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        }.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def start(self, *flags: str, limit_bytes: int | None = None) -> subprocess.Popen[str]:
        """Start `harness run` in the project. `limit_bytes`: maximum file size."""

        def limit() -> None:
            if limit_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        return subprocess.Popen(
            [sys.executable, "-m", "harness", "run", "--variant", "local", *flags],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=caller() | NEAR | self.hosted | self.environment,
            preexec_fn=limit if limit_bytes is not None else None,  # noqa: PLW1509  no thread of ours holds a lock it needs
        )

    def wait_for(self, answers: int, process: subprocess.Popen[str]) -> None:
        """Wait until the server has answered `answers` more cases, or the process has ended."""
        goal, until = self.server.answered + answers, time.monotonic() + HANG_S
        while self.server.answered < goal and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)

    def end(self, process: subprocess.Popen[str], number: signal.Signals) -> None:
        """Send a signal and record its time."""
        self.moments.append(time.monotonic())
        process.send_signal(number)

    def finish(self, process: subprocess.Popen[str], timeout_s: float = HANG_S) -> str:
        """Wait for a process; return how it ended."""
        until, ended = time.monotonic() + timeout_s, None
        while ended is None:
            try:
                ended = process.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                self.peak_mb = max(self.peak_mb, peak_mb(process.pid))
                if time.monotonic() > until and "HANG" not in self.troubles:
                    self.troubles.append("HANG")
                    process.kill()
        out, err = ended
        self.ends.append(how(process.returncode, err))
        if "Traceback" in err:
            self.troubles.append("TRACEBACK")
            (self.folder / "traceback.txt").write_text(err, encoding="utf-8")
        if self.peak_mb > MOST_MB:
            self.troubles.append(f"{self.peak_mb} MB OF MEMORY")
        if process.returncode not in (0, 4, -signal.SIGKILL) and "error: " not in err:
            self.troubles.append("SILENT")
        (self.folder / f"output-{len(self.ends)}.txt").write_text(out + err, encoding="utf-8")
        return self.ends[-1]

    def run(self, *flags: str, **more: int) -> str:
        """Run `harness run` from start to end."""
        return self.finish(self.start(*flags, **more))

    def go_on(self) -> None:
        """Make the server healthy, and resume the run if the last process did not finish."""
        self.server.serve = healthy
        self.environment.clear()
        if not self.ends or not self.ends[-1].startswith(("done", "errors")):
            self.run("--resume")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store as another program would."""
        other = sqlite3.connect(self.store, isolation_level=None)
        other.execute("PRAGMA busy_timeout = 10000")
        other.execute("BEGIN IMMEDIATE")
        yield
        other.close()

    def results(self) -> list[Result]:
        """Check the integrity of the store; return the results of the newest run."""
        with sqlite3.connect(self.store) as connection:
            if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                self.troubles.append("CORRUPT")
        connection.close()
        store = open_store(f"sqlite:///{self.store}")
        try:
            manifests = store.manifests()
            if len(manifests) > self.most_runs:
                self.troubles.append(f"{len(manifests)} RUNS")
            return store.results(manifests[0].run_id) if manifests else []
        except StoreError:
            self.troubles.append("CORRUPT")
            return []
        finally:
            store.close()

    def store_failed(self) -> None:
        """Check after a store failure that only few unsaved replies were lost."""
        kept = {number_of(result) for result in self.results()}
        self.in_hand = {number for number in self.server.answers if number != WARM_UP} - kept
        if len(self.in_hand) > MOST_IN_HAND:
            self.troubles.append(f"{len(self.in_hand)} ANSWERS NOT SAVED")

    def tally(self) -> Tally:
        """Count the figures at the end."""
        results = self.results()
        again = [self._again(number) for number in range(self.cases)]
        return Tally(
            lost=self.cases - len(results),
            twice=sum(twice for twice, _ in again),
            in_flight=sum(in_flight for _, in_flight in again),
            wrong=sum(self._is_wrong(result) for result in results),
            errors=sum(result.response.error is not None for result in results),
        )

    def _again(self, number: int) -> tuple[int, int]:
        """Return how often a case was repeated: although its reply was safe, and because it was in flight."""
        answers = self.server.answers[number]
        in_flight = (number in self.in_hand) + sum(
            any(one.asked_at <= moment < one.sent_at + DURABLE_S and moment <= other.sent_at for moment in self.moments)
            for one, other in pairwise(answers)
        )
        again = max(0, len(answers) - 1)
        return max(0, again - in_flight), min(again, in_flight)

    def _is_wrong(self, result: Result) -> bool:
        number = number_of(result)
        if result.response.error is not None:
            return result.score is not None or result.reading is not None
        given = {answer.text for answer in self.server.answers[number]}
        right, text = label(number), said(number)
        expected = (text == right, text.removeprefix("The category is: ") == right)
        score = result.score
        return result.response.text not in given or score is None or (score.strict, score.lenient) != expected

    def warm_ups(self) -> int:
        """Number of warm-up requests."""
        return len(self.server.answers[WARM_UP])


def caller() -> dict[str, str]:
    """Return the environment without variables that would change a run."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HARNESS_", "OPENAI_"))}


def number_of(result: Result) -> int:
    """Return the number of a result's case."""
    return int(result.case.id.removeprefix("c-"))


def peak_mb(pid: int) -> int:
    """Return the peak memory of a process in MB; 0 if it has ended or the system does not report it."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    except OSError:
        return 0
    return int(found[1]) // 1024 if found else 0


def how(code: int, err: str) -> str:
    """Return how a process ended: done, errors, a signal, or its last error line."""
    lines = [re.sub(r"\s+", " ", line) for line in err.splitlines() if line.startswith("error: ")]
    if code == 0:
        return "done"
    if code < 0:
        return signal.Signals(-code).name
    if code == 4 and not lines:
        return "errors"
    return f"exit {code}" + (f": {lines[-1].removeprefix('error: ')}" if lines else "")
