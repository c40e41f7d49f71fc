"""Measure the disk space of the core, each extra and the development tools.

    .venv/bin/python bench/figures/install_size.py

Run it in the environment of `make install`, which has all extras. A distribution that several extras need counts for
each of them. Distributions of the core do not count for extras.
"""

from __future__ import annotations

import argparse
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "prompt-portability-harness"
SHOWN = 12
INSTALLED = {canonical(one.metadata["Name"]): one for one in metadata.distributions()}


def megabytes(name: str) -> float:
    """Disk space of the files of a distribution, in MB."""
    one = INSTALLED[name]
    paths = (Path(str(one.locate_file(path))) for path in one.files or ())
    return sum(path.stat().st_blocks * 512 for path in paths if path.is_file()) / 1e6


def needed(requirements: list[str]) -> set[str]:
    """Return the installed distributions that the requirements need, including indirect ones."""
    found: set[tuple[str, tuple[str, ...]]] = set()
    todo = [(text, ("",)) for text in requirements]
    while todo:
        text, extras = todo.pop()
        one = Requirement(text)
        name, own = canonical(one.name), tuple(sorted(one.extras))
        wanted = one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        if wanted and name in INSTALLED and (name, own) not in found:
            found.add((name, own))
            todo += [(text, own or ("",)) for text in INSTALLED[name].requires or ()]
    return {name for name, _ in found}


def show(what: str, names: set[str]) -> None:
    sizes = sorted(((megabytes(name), name) for name in names), reverse=True)
    largest = ", ".join(f"{name} {size:.0f}" for size, name in sizes[:SHOWN] if size >= 1)
    print(f"{what:10} {sum(size for size, _ in sizes):5.0f} MB  {largest}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = needed(project["dependencies"])
    show("core", core)
    everything = set(core)
    for extra, requirements in project["optional-dependencies"].items():
        if extra != "all":
            own = needed(requirements) - core
            show(extra, own)
            everything |= own
    show("all", everything)
    show("dev", INSTALLED.keys() - everything - {PROJECT})


if __name__ == "__main__":
    main()
