"""Where the harness's own time goes: a run against a server that answers after 50 ms, sampled every millisecond of CPU.

    python bench/speed/where.py                        # prints the table, writes docs/performance.png

A sample is given to the first part of the harness on the stack, from the inside, that is one of the parts below. While
the main thread waits for the network, the sample is of whichever other thread works.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType

import _tickets

PARTS = {
    "importing": ("importlib",),
    "reading and checking cases": ("harness/project/dataset", "harness/core/lazy"),
    "rendering prompts": ("harness/project/prompts", "harness/runner/plan"),
    "saving, and looking for earlier answers": ("harness/store", "harness/runner/saving", "sqlalchemy"),
    "reading replies and scoring": ("harness/contracts", "harness/tasks"),
    "HTTP": ("harness/backends",),
    "pace, retries, queues": (
        "harness/runner/pacing",
        "harness/runner/retrying",
        "harness/runner/cell_runner",
        "asyncio",
    ),
    "summary and report": ("harness/analysis", "harness/report", "harness/cli"),
}
WAITING = ("selectors.py", "threading.py", "concurrent/futures/thread.py")


def part(frame: FrameType | None) -> str | None:
    """The part of the harness that a stack is in; `None` where it waits."""
    if frame is None or frame.f_code.co_filename.endswith(WAITING):
        return None
    while frame is not None:
        name = frame.f_code.co_filename.replace(os.sep, "/")
        for title, signs in PARTS.items():
            if any(sign in name for sign in signs):
                return title
        frame = frame.f_back
    return "other"


def sampled(arguments: list[str]) -> Counter[str]:
    """Samples by part of one command of the harness, run in this process."""
    counted: Counter[str] = Counter()

    def take(_number: int, frame: FrameType | None) -> None:
        frames = sys._current_frames().values()  # noqa: SLF001  Python's own way, under this name
        stacks = (other for other in frames if other is not frame)
        found = part(frame) or next(filter(None, map(part, stacks)), "other")
        counted[found] += 1

    signal.signal(signal.SIGPROF, take)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            sys.argv = ["harness", *arguments]
            from harness.cli import main

            main()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return counted


def draw(counted: Counter[str], n: int, file: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    total = counted.total()
    names = [name for name in [*PARTS, "other"] if counted[name]]
    figure, axes = plt.subplots(figsize=(8, 3.4))
    shares = [100 * counted[name] / total for name in names]
    axes.barh(names[::-1], shares[::-1], color="#3b6ea5")
    for place, share in enumerate(shares[::-1]):
        axes.text(share + 0.4, place, f"{share:.0f}%", va="center", fontsize=9)
    axes.set_xlabel(f"share of the CPU time of `harness run` over {n:,} cases")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[2] / "docs" / "performance.png")
    told = parser.parse_args()
    with _tickets.server(50) as url, tempfile.TemporaryDirectory() as folder:
        os.chdir(_tickets.make_project(Path(folder), told.n, url))
        counted = sampled(["run", "tickets", "--variant", "gpt", "--quiet"])
        os.chdir("/")
    print("| part | share of CPU |\n|---|---|")
    for name in [*PARTS, "other"]:
        print(f"| {name} | {counted[name] / counted.total():.0%} |")
    draw(counted, told.n, told.output)
    print(f"\n{told.output}: {counted.total():,} samples")


if __name__ == "__main__":
    main()
