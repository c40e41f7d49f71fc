"""What `import harness` offers: names, docstrings, types, the page about them."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import harness
from harness import api

DOCS = Path(__file__).parents[2] / "docs"


def test_public_names_are_these() -> None:
    assert harness.__all__ == [
        "Case", "CellReport", "Comparison", "HarnessError", "LabelContract", "Message", "ModelRouter", "Project",
        "Reading", "Report", "Request", "Response", "Result", "Run", "RunEvents", "RunOptions", "arun", "build",
        "build_report", "compare", "read", "report", "run", "write",
    ]  # fmt: skip


@pytest.mark.parametrize("name", harness.__all__)
def test_each_name_can_be_imported(name: str) -> None:
    assert getattr(harness, name) is not None
    assert name in dir(harness)


@pytest.mark.parametrize("name", harness.__all__)
def test_each_name_is_documented(name: str) -> None:
    value = getattr(harness, name)
    assert value.__doc__
    assert not isinstance(value, type) or "__doc__" in vars(value), f"{name} inherits its docstring"
    assert f"\n## {name}\n" in (DOCS / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [n for n in harness.__all__ if inspect.isfunction(getattr(harness, n))])
def test_each_function_is_typed(name: str) -> None:
    signature = inspect.signature(getattr(harness, name))
    assert signature.return_annotation is not signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


def test_report_is_a_module_with_typed_functions() -> None:
    assert isinstance(harness.report, ModuleType)
    assert (harness.report.build, harness.report.write) == (harness.build, harness.write)


@pytest.mark.parametrize("name", ["", *harness.__all__])
def test_examples_run_as_written(name: str, folder: Path) -> None:
    harness.run("triage", root=folder)
    names = {each: getattr(harness, each) for each in harness.__all__}
    subject = getattr(harness, name) if name else api
    found = doctest.DocTestFinder(recurse=False).find(subject, name or "harness.api", globs={**names, "folder": folder})
    for test in found:
        outcome = doctest.DocTestRunner().run(test)
        assert outcome.failed == 0


def test_page_about_the_library_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    make_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_api)
    assert make_api.PAGE.read_text(encoding="utf-8") == make_api.page(), "run `python docs/make_api.py`"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = harness.rum  # type: ignore[attr-defined]


def test_import_of_the_package_imports_nothing_else() -> None:
    code = "import sys, harness; print([m for m in sys.modules if m.startswith('harness.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
