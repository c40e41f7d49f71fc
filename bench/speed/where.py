"""CPU time of a run by part of the harness: sampled every millisecond, against a fake server.

    python bench/speed/where.py                        # prints the table, writes docs/performance.png

A sample counts for the innermost frame on the stack that belongs to one of the parts below. While the main thread waits
for the network, another running thread is sampled.
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
    """Return the part of the harness that a stack is in; `None` if it waits."""
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
    """Run one command of the harness in this process; return the number of samples by part."""
    counted: Counter[str] = Counter()

    def take(_number: int, frame: FrameType | None) -> None:
        frames = sys._current_frames().values()  # noqa: SLF001  the documented way to read the stacks of all threads
        stacks = (other for other in frames if other is not frame)
        counted[part(frame) or next(filter(None, map(part, stacks)), "other")] += 1

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
    args = parser.parse_args()
    with _tickets.server(50) as url, tempfile.TemporaryDirectory() as folder:
        os.chdir(_tickets.make_project(Path(folder), args.n, url))
        counted = sampled(["run", "tickets", "--variant", "gpt", "--quiet"])
        os.chdir("/")
    print("| part | share of CPU |\n|---|---|")
    for name in [*PARTS, "other"]:
        print(f"| {name} | {counted[name] / counted.total():.0%} |")
    draw(counted, args.n, args.output)
    print(f"\n{args.output}: {counted.total():,} samples")


if __name__ == "__main__":
    main()
