"""Commands are found by file name: a new file in `harness/cli/` is a new command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

import harness
from harness.cli._commands import LAST, OTHER, Command

NEW_COMMAND = '''
"""`harness hello`."""

import typer


def hello(name: str) -> None:
    """Greet somebody."""
    typer.echo(f"hello {name}")
'''

NEW_GROUP = '''
"""`harness import-all`."""

import typer

HEADING = "Evaluate"
ORDER = 0

app = typer.Typer(help="Two commands in one.")


@app.command()
def first() -> None:
    """Print 1."""
    typer.echo("1")


@app.command()
def second() -> None:
    """Print 2."""
    typer.echo("2")
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with two new command files. Returns its parent folder."""
    folder = tmp_path_factory.mktemp("copy")
    source = Path(harness.__file__).parent
    shutil.copytree(source, folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "harness/cli/hello.py").write_text(NEW_COMMAND)
    (folder / "harness/cli/import_all.py").write_text(NEW_GROUP)
    (folder / "harness/cli/_private.py").write_text("raise ImportError")
    return folder


def run(package: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(package), "COLUMNS": "100"}
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=True).stdout


def test_new_file_is_a_command(package: Path) -> None:
    assert run(package, "hello", "world") == "hello world\n"


def test_new_file_with_app_is_a_group_of_commands(package: Path) -> None:
    assert run(package, "import-all", "second") == "2\n"


def test_help_lists_new_commands_under_their_headings(package: Path) -> None:
    text = run(package, "--help")
    assert text.index(OTHER) < text.index("Greet somebody.")
    assert text.index(" Evaluate ") < text.index("Two commands in one.") < text.index(OTHER)
    assert "private" not in text


def test_file_without_a_command_is_an_error() -> None:
    module = ModuleType("harness.cli.broken")
    with pytest.raises(TypeError, match="define a function `broken`"):
        Command("broken", module, OTHER, LAST).add_to(typer.Typer())
