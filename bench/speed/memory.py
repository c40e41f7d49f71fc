"""Memory of a run by number of cases, from the dataset's file to the store and the summary.

    python bench/speed/memory.py                      # 10,000 and 100,000 cases
    python bench/speed/memory.py -n 1000000           # a million cases, about 11 minutes

The server answers at once, so the time is the harness's own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import _tickets
from throughput import timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, action="append", help="number of cases; repeatable")
    sizes = parser.parse_args().n or [10_000, 100_000]
    print("| cases | dataset MB | store MB | peak MB | CPU ms a case | wall s |\n|---|---|---|---|---|---|")
    with _tickets.server(0) as url:
        for n in sizes:
            with tempfile.TemporaryDirectory() as folder:
                project = _tickets.make_project(Path(folder), n, url)
                wall, cpu, peak = timed([sys.executable, "-m", "harness", "run", "--variant", "gpt"], project)
                dataset = (project / "datasets" / "tickets" / "cases.jsonl").stat().st_size / 1e6
                store = sum(file.stat().st_size for file in (project / ".harness").glob("runs.db*")) / 1e6
                sizes = f"{dataset:.0f} | {store:.0f} | {peak}"
                print(f"| {n:,} | {sizes} | {cpu / n * 1000:.2f} | {wall:.0f} |", flush=True)


if __name__ == "__main__":
    main()
