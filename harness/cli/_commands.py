"""Find the commands: one file of this package per command, named as the command.

A file `harness/cli/<name>.py` is the command `harness <name>`. It has one of:

- a function `<name>`, whose parameters are the command's arguments and options;
- `app`, a `typer.Typer` with several subcommands.

`HEADING` and `ORDER` place the command in `harness --help`. Both are optional. A trailing underscore avoids a Python
keyword (`import_.py` is `harness import`), and files that start with an underscore are not commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import typer

HEADINGS = ("Start", "Evaluate", "Act on it", "Prompts and datasets", "Replies and other tools")
"""The order of the headings in `harness --help`. Other headings follow."""

OTHER = "More commands"
LAST = 1000


@dataclass(frozen=True, slots=True)
class Command:
    """A command file. `order` is its place below `heading`."""

    name: str
    module: ModuleType
    heading: str = OTHER
    order: int = LAST

    @property
    def position(self) -> tuple[int, str, int, str]:
        """Sort key for `harness --help`."""
        number = HEADINGS.index(self.heading) if self.heading in HEADINGS else len(HEADINGS)
        return number, self.heading, self.order, self.name

    def add_to(self, app: typer.Typer) -> None:
        """Register the command, or the group of commands.

        Raises:
            TypeError: The file defines neither `app` nor a function named as the file.
        """
        if isinstance(group := getattr(self.module, "app", None), typer.Typer):
            app.add_typer(group, name=self.name, rich_help_panel=self.heading)
            return
        path = self.module.__name__
        function_name = path.rpartition(".")[2]
        function = getattr(self.module, function_name, None)
        if not callable(function):
            msg = f"{path}: define a function `{function_name}`, or `app = typer.Typer()`"
            raise TypeError(msg)
        app.command(self.name, rich_help_panel=self.heading)(function)


def discover() -> list[Command]:
    """All commands, in the order of `harness --help`."""
    return sorted(_command_files(), key=lambda command: command.position)


def _command_files() -> Iterator[Command]:
    package = import_module(__package__)
    for file in iter_modules(package.__path__):
        if file.name.startswith("_"):
            continue
        module = import_module(f"{package.__name__}.{file.name}")
        name = file.name.rstrip("_").replace("_", "-")
        yield Command(name, module, getattr(module, "HEADING", OTHER), getattr(module, "ORDER", LAST))
