"""Every third-party import of the package is declared in pyproject.toml, in the core or in an extra."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.core.extras import DISTRIBUTION, EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = {module: extra for extra, modules in EXTRAS.items() for module in modules}


class Import(NamedTuple):
    """A third-party module that a line of the package imports."""

    module: str
    where: str
    guarded: bool
    """Whether the import stands in `with needed(...)`, or is for type checkers only."""


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return normalized(found.group())


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


CORE = {name_of(requirement) for requirement in PROJECT["dependencies"]}
BY_EXTRA = {
    extra: {name_of(requirement) for requirement in requirements}
    for extra, requirements in PROJECT["optional-dependencies"].items()
}


def is_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call) and ast.unparse(item.context_expr.func).split(".")[-1] == "needed"
        for item in node.items
    )


def modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""] if node.level == 0 else []
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        (name, *_) = node.args
        return [name.value] if isinstance(name, ast.Constant) else []
    return []


def walk(node: ast.AST, where: str, *, guarded: bool = False) -> Iterator[Import]:
    for module in modules_of(node):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "harness":
            yield Import(top, f"{where}:{node.lineno}", guarded)
    for child in ast.iter_child_nodes(node):
        yield from walk(child, where, guarded=guarded or is_guard(node))


@cache
def imports() -> tuple[Import, ...]:
    paths = sorted((ROOT / "harness").rglob("*.py"))
    return tuple(
        one for path in paths for one in walk(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT)))
    )


@cache
def owners() -> Mapping[str, list[str]]:
    return packages_distributions()


def test_every_import_is_declared() -> None:
    declared = CORE.union(*BY_EXTRA.values())
    undeclared = [one for one in imports() if not declared & set(map(normalized, owners().get(one.module, ())))]
    assert undeclared == []


def test_every_core_dependency_is_imported() -> None:
    imported = {normalized(owner) for one in imports() for owner in owners().get(one.module, ())}
    assert sorted(CORE - imported) == []


def test_an_optional_package_is_not_a_core_dependency() -> None:
    assert CORE & {normalized(owner) for module in OPTIONAL for owner in owners().get(module, ())} == set()


def test_every_optional_import_names_its_extra() -> None:
    assert [one for one in imports() if one.module in OPTIONAL and not one.guarded] == []


@pytest.mark.parametrize("extra", sorted(BY_EXTRA.keys() - {"all"}))
def test_extras_of_the_code_and_of_pyproject_agree(extra: str) -> None:
    installed = {normalized(owner) for module in EXTRAS[extra] for owner in owners().get(module, ())}
    assert installed == BY_EXTRA[extra]


def test_all_is_every_extra() -> None:
    (requirement,) = PROJECT["optional-dependencies"]["all"]
    name, _, inside = requirement.rstrip("]").partition("[")
    assert (name, set(inside.split(","))) == (DISTRIBUTION, set(EXTRAS))
    assert PROJECT["name"] == DISTRIBUTION


def test_constraints_pin_plain_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.+!]+", pin)] == []
    assert CORE.union(*BY_EXTRA.values()) - {DISTRIBUTION} <= {name_of(pin) for pin in pins}
