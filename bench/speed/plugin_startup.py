"""Start-up time that the pytest plugin adds to a project that does not use it.

    python bench/speed/plugin_startup.py [pairs]

pytest runs one empty test in an empty folder, without the plugins of other packages.

*with, without*: the same command with `-p no:prompt_portability_harness`, alternately. CPU time (user and system) and
wall time of the process, medians; the difference is the median over pairs with its 95% interval.

*in parts*: CPU time that pytest spends on the plugin's entry point inside one process: import, registration (options
and hooks), and search for fixtures. It varies less than the difference above.
"list of files" is not due to the plugin: pytest lists the files of every distribution with a plugin, to know which
modules to rewrite, even with `-p no:`. An editable install has few files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from math import sqrt
from pathlib import Path
from statistics import median
from time import perf_counter

PAIRS = 50
DISTRIBUTION = "prompt-portability-harness"
PLUGIN = "prompt_portability_harness"
OTHERS = [f"-pno:{one.name}" for one in metadata.entry_points(group="pytest11") if one.name != PLUGIN]
COMMAND = ["-q", "-pno:cacheprovider", *OTHERS]
ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Without bytecode, pytest would compile every plugin of the environment at each start."""

PARTS = """
import json, sys, time
from importlib import metadata
import pytest
from _pytest.config import PytestPluginManager
from _pytest.fixtures import FixtureManager

parts = {}


def timed(home, name, part, is_ours):
    method = getattr(home, name)

    def wrapper(*args, **kwargs):
        started = time.process_time()
        try:
            return method(*args, **kwargs)
        finally:
            if is_ours(*args, **kwargs):
                parts[part] = parts.get(part, 0.0) + 1000 * (time.process_time() - started)

    setattr(home, name, wrapper)


timed(metadata.EntryPoint, "load", "import", lambda entry: entry.name == PLUGIN)
timed(PytestPluginManager, "register", "registration", lambda _, plugin, name=None: name == PLUGIN)
timed(FixtureManager, "parsefactories", "fixtures", lambda _, holder, *a, **k: holder is sys.modules.get(MODULE))
started = time.process_time()
list(metadata.distribution(DISTRIBUTION).files)
listing = 1000 * (time.process_time() - started)
before = sys.stdout
sys.stdout = sys.stderr
pytest.main(COMMAND)
print(json.dumps([parts, listing]), file=before)
"""


def timed(folder: Path, *options: str) -> tuple[float, float]:
    """Return CPU and wall time of one run, in milliseconds."""
    started = perf_counter()
    command = [sys.executable, "-m", "pytest", *COMMAND, *options]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=ENV)
    _, status, usage = os.wait4(child.pid, 0)
    wall = perf_counter() - started
    if status:
        msg = f"pytest ended with status {status} in {folder}"
        raise SystemExit(msg)
    return 1000 * (usage.ru_utime + usage.ru_stime), 1000 * wall


def in_parts(folder: Path) -> tuple[dict[str, float], float]:
    """Return the milliseconds of each part of the plugin's entry point, and of the list of files."""
    values = {"PLUGIN": PLUGIN, "MODULE": "harness.pytest_plugin", "DISTRIBUTION": DISTRIBUTION, "COMMAND": COMMAND}
    code = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + PARTS
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=ENV, capture_output=True, text=True, check=True
    )
    parts, listing = json.loads(ended.stdout)
    return parts, listing


def main(pairs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        without_it = f"-pno:{PLUGIN}"
        timed(folder)
        timed(folder, without_it)
        rows = [(*timed(folder), *timed(folder, without_it)) for _ in range(pairs)]
        parts = [in_parts(folder) for _ in range(pairs)]
    print(f"{pairs} pairs, {sys.executable}\n            with    without  difference")
    for what, own, other in (("CPU", 0, 2), ("wall", 1, 3)):
        with_it, without = (median(row[place] for row in rows) for place in (own, other))
        differences = sorted(row[own] - row[other] for row in rows)
        reach = round(0.98 * sqrt(pairs))  # ranks of the sign test's 95% interval, by the normal approximation
        low, high = differences[max(pairs // 2 - reach, 0)], differences[min(pairs // 2 + reach, pairs - 1)]
        middle = median(differences)
        print(f"{what:6} {with_it:7.1f} ms {without:7.1f} ms {middle:+8.1f} ms ({low:+.1f} to {high:+.1f})")
    names = list(parts[0][0])
    each = ", ".join(f"{name} {median(one[name] for one, _ in parts):.2f}" for name in names)
    total = median(sum(one.values()) for one, _ in parts)
    print(f"in parts {total:.2f} ms: {each}; list of files {median(listing for _, listing in parts):.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="?", type=int, default=PAIRS, help="pairs of runs")
    main(parser.parse_args().pairs)
