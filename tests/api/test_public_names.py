"""What `import harness` offers, and that it stays so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness


def test_the_public_names_are_these() -> None:
    assert harness.__all__ == [
        "Case", "CellReport", "HarnessError", "LabelContract", "Message", "Reading", "Report", "Request", "Response",
        "Result", "Run", "build", "read", "run", "write",
    ]  # fmt: skip


@pytest.mark.parametrize("name", harness.__all__)
def test_each_can_be_imported(name: str) -> None:
    assert getattr(harness, name) is not None
    assert name in dir(harness)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = harness.rum  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, harness; print([m for m in sys.modules if m.startswith('harness.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
