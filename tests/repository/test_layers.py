"""The table of layers in docs/decisions.md is that of the import contract in pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
PAGE = (ROOT / "docs/decisions.md").read_text("utf-8")


def members(layer: str) -> list[str]:
    """Rooms and modules of one layer of the contract."""
    return [name.strip().removeprefix("harness.") for name in layer.split("|")]


def test_decisions_list_the_layers_of_the_contract() -> None:
    rows = re.findall(r"^\| (\d+) \| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    numbered = [(int(number), re.findall(r"`(\w+)`", names)) for number, names in rows]
    highest = len(LAYERS)
    assert numbered == [(highest - place, members(layer)) for place, layer in enumerate(LAYERS)]


def test_decisions_count_rooms_and_layers() -> None:
    rooms = {path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")}
    assert {name for layer in LAYERS for name in members(layer)} == rooms | {"api", "weekly"}
    assert f"{len(rooms)} rooms" in PAGE
    assert f"{len(LAYERS)} layers" in PAGE
