"""How the rooms of `harness/` may import each other: no cycles, no private names, few rooms, few layers."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "harness"
MAX_ROOMS = 15
MAX_LAYERS = 9
LOOSE_MODULES = {"__init__", "__main__", "api", "weekly"}


@cache
def modules() -> dict[str, Path]:
    """Return module name -> file, packages by their `__init__.py`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """Return the room of a module: `harness.store` for `harness.store.runs`."""
    return ".".join(module.split(".")[:2])


@cache
def imports(module: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (imported module, private names taken from it) for every import statement, at any depth of the file."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return tuple(found for node in ast.walk(tree) for found in _targets(node))


def _targets(node: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if room(alias.name).startswith("harness"):
                yield alias.name, ()
    elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "harness":
        assert node.level == 0, "relative imports are not used"
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            if submodule in modules():
                yield submodule, ()
            else:
                yield node.module, (alias.name,) if is_private(alias.name) else ()


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components with more than one module, or with a module that imports itself."""
    reached = {module: _reachable(graph, module) for module in graph}
    groups = {frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in graph if a in reached[a]}
    return sorted(sorted(group) for group in groups)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in graph.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def test_no_import_cycles_inside_a_room() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        graph[module] = {target for target, _ in imports(module) if target != module and room(target) == room(module)}
    assert cycles(graph) == []


def test_no_private_module_or_name_is_imported_from_another_room() -> None:
    offences = [
        f"{module}: {target}{''.join(f': {name}' for name in names)}"
        for module in modules()
        for target, names in imports(module)
        if room(target) != room(module) and (names or any(is_private(part) for part in target.split(".")))
    ]
    assert offences == []


def test_private_attributes_of_other_rooms_are_not_used() -> None:
    """`from harness.store import runs` and then `runs._helper`."""
    offences = []
    for module, path in modules().items():
        foreign = {
            target.split(".")[-1]
            for target, names in imports(module)
            if room(target) != room(module) and not names and target in modules()
        }
        tree = ast.parse(path.read_text(encoding="utf-8"))
        offences += [
            f"{module}:{node.lineno}: {node.value.id}.{node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            if node.value.id in foreign and is_private(node.attr)
        ]
    assert offences == []


def test_at_most_15_rooms_and_no_loose_modules() -> None:
    rooms = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()]
    assert len(rooms) <= MAX_ROOMS, rooms
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE_MODULES


def test_at_most_9_layers() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = [contract["layers"] for contract in config["contracts"] if contract["type"] == "layers"]
    assert len(layers) <= MAX_LAYERS
    named = {name.strip().removeprefix("harness.") for layer in layers for name in layer.split("|")}
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert named == rooms | LOOSE_MODULES - {"__init__", "__main__"}


def test_cycles_are_detected() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert cycles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
