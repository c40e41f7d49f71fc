"""Faults injected into `harness run`: what does a run lose, repeat or score wrongly?

    python bench/faults/faults.py [WORD ...] [--at-once 3] [--keep FOLDER]

The server is a fake on loopback that speaks the OpenAI protocol and counts requests. The harness is the real command in
its own process with its own store. After each fault the server is healthy again; if the run did not finish, `--resume`
continues it. WORDs select faults by parts of their names. Prints Markdown; exits with 1 if a figure that must be 0 is
not.

lost         cases without a reply or a recorded error at the end
asked twice  cases requested again although their reply was safe; "+n" were in flight when the fault struck, or answered
             less than a second before
wrong        results that differ from the server's reply, and errors that were scored
errors       recorded errors of cases that always meet the fault
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _faulty_ends as ends
import _faulty_replies as replies
from _faulty_replies import for_a_while, from_then_on, some
from _faulty_scene import Scene, Tally
from _faulty_server import Serve

HEAD = ("fault", "cases", "lost", "asked twice", "wrong", "errors", "ends as", "seconds")

SHORT = {"timeout_s": 1.0, "retries": 1}
"""Time-out of one second for faults that end in a time-out."""

PATIENT = {"retries": 4}
"""The default number of retries."""


@dataclass(frozen=True)
class Fault:
    """A fault. `do` produces it; `options` are arguments of its `Scene`."""

    name: str
    do: Callable[[Scene], None]
    options: dict[str, Any] = field(default_factory=dict)


def served(name: str, serve: Serve, **options: Any) -> Fault:
    """Return a fault of the server alone."""
    return made(name, lambda: serve, **options)


def made(name: str, make: Callable[[], Serve], **options: Any) -> Fault:
    """Return a fault of the server that is created only when it runs: it is costly or has state."""

    def do(scene: Scene) -> None:
        scene.server.serve = make()
        scene.run()

    return Fault(name, do, options)


def faults() -> Iterator[Fault]:
    """Yield all faults, slow ones first."""
    yield Fault("another program holds the store for 35 s", ends.locked_for(35))
    yield Fault("the model loads for 30 s", ends.slow_first_reply(30), {"timeout_s": 60.0})
    yield Fault("SIGKILL at five random moments", ends.killed_often, {"cases": 400, "latency_s": 0.08})
    yield Fault("SIGKILL six times at the start", ends.killed_at_start, {"latency_s": 0.2})
    yield Fault("SIGTERM", ends.ended_by("SIGTERM"))
    yield Fault("Ctrl-C", ends.ended_by("SIGINT"))
    yield Fault("two --resume at once", ends.resumed_twice, {"cases": 240, "latency_s": 0.1})
    yield Fault("power cut, 60 moments", ends.power_cut, {"cases": 320, "latency_s": 0.1})
    yield Fault("disk full", ends.disk_full, {"cases": 600, "latency_s": 0.001})
    yield Fault("file size limit", ends.file_limit, {"cases": 600, "latency_s": 0.001})
    yield Fault("another program holds the store for 3 s", ends.locked_for(3))
    yield Fault("the clock jumps two days ahead", ends.clock(172_800), {"cases": 240})
    yield Fault("the clock jumps two days back", ends.clock(-172_800), {"cases": 240})
    yield Fault("no name is found", ends.no_name)
    yield Fault("no name is found for 2 s", ends.no_name_for_a_while, {"cases": 240, **PATIENT})
    yield Fault("connection refused for 3 s", ends.restart, {"cases": 240, **PATIENT})
    yield Fault("accepts and hangs up, one connection in three", ends.hangs_up_on_greeting, PATIENT)
    yield served("resets before the reply", some(replies.before_answering))
    yield served("closes before the reply", some(replies.closes))
    yield served("closes after the headers", some(replies.after_headers))
    yield served("resets amid the body", some(replies.mid_body))
    yield served("closes amid the chunks", some(replies.mid_chunk))
    yield served("closes after each reply", replies.after_each_reply)
    yield served("an unasked 408, then closes", replies.idle_goodbye)
    yield served("some hang", some(replies.hangs), **SHORT)
    yield made("all hang from then on", lambda: from_then_on(replies.hangs, after=40), **SHORT)
    yield served("drips without end", some(replies.drips), **SHORT)
    yield served("HTML with status 200", some(replies.page))
    yield served("half of the JSON", some(replies.half_json))
    yield served("an empty reply", some(replies.nothing))
    yield served("an error with status 200", some(replies.error_as_200))
    yield served("latin-1 and worse for UTF-8", some(replies.wrong_encoding))
    yield served("no HTTP at all", some(replies.no_http))
    yield served("gzip that is none", some(replies.not_gzip))
    yield served("50 MB", some(replies.large), cases=40)
    yield served("2 GB without a length", some(replies.endless), cases=20)
    yield made("1 MB of gzip, 1 GB unpacked", lambda: some(replies.bomb()), cases=20)
    yield served("a reply too many", some(replies.one_too_many))
    yield served("a reply too many, to the OpenAI SDK", some(replies.one_too_many), hosted=True)
    yield served("Content-Length too short", some(replies.too_short_a_length))
    yield served("Content-Length too short, to the OpenAI SDK", some(replies.too_short_a_length), hosted=True)
    yield served("resets amid the body, to the OpenAI SDK", some(replies.mid_body), hosted=True)
    yield served("2 GB without a length, to the OpenAI SDK", some(replies.endless), cases=20, hosted=True)
    yield served("Content-Length too long", some(replies.too_long_a_length), **SHORT)
    yield Fault("another model from the middle on", ends.another_model)
    for status in ("429", "500", "503"):
        for headers in ({"retry_after": "1"}, {}):
            name = f"{status} for 2 s" + (", Retry-After: 1" if headers else "")
            refuses = replies.refuses(f"{status} No", **headers)
            yield made(name, lambda refuses=refuses: for_a_while(refuses, 2, after=40), **PATIENT)
        yield made(f"{status} from then on", lambda refuses=refuses: from_then_on(refuses, after=40))


@dataclass(frozen=True)
class Row:
    """The outcome of one fault."""

    fault: Fault
    scene: Scene
    tally: Tally
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, repeated or scored wrongly, and no process hung or crashed."""
        return not (self.tally.lost or self.tally.twice or self.tally.wrong or self.scene.troubles)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table row."""
        tally = self.tally
        twice = f"{tally.twice} +{tally.in_flight}" if tally.in_flight else str(tally.twice)
        how = "; ".join([" → ".join(self.scene.ends), *dict.fromkeys(self.scene.troubles)])
        return (
            *(self.fault.name, str(self.scene.cases), str(tally.lost), twice, str(tally.wrong), str(tally.errors)),
            *(how.replace(str(self.scene.folder), "…").replace("|", "/"), f"{self.seconds:.1f}"),
        )


def happen(fault: Fault, folder: Path) -> Row:
    """Run one fault from start to end."""
    started = time.monotonic()
    scene = Scene(folder, **fault.options)
    try:
        fault.do(scene)
        scene.go_on()
        tally = scene.tally()
    except ends.Skipped as reason:
        scene.ends.append(f"skipped: {reason}")
        tally = Tally(0, 0, 0, 0, 0)
    finally:
        scene.server.stop()
    return Row(fault, scene, tally, time.monotonic() - started)


def main() -> None:
    """Print each row as soon as it is finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only faults whose names hold one of these")
    parser.add_argument("--at-once", type=int, default=3, help="faults side by side")
    parser.add_argument("--keep", type=Path, help="leave the projects and what the commands printed in this folder")
    options = parser.parse_args()
    chosen = [f for f in faults() if not options.words or any(word in f.name for word in options.words)]
    print(*(f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD))), sep="\n", flush=True)
    good = True
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.at_once) as pool:
        root = options.keep or Path(temporary)
        folders = [root / f"{place:02}" for place in range(len(chosen))]
        for folder in folders:
            folder.mkdir(parents=True)
        for row in pool.map(happen, chosen, folders):
            good = good and row.is_good
            print(f"| {' | '.join(row.cells())} |", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
