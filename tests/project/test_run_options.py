"""Options of a run, from each of their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from harness import cli
from harness.api import RunArguments
from harness.core.errors import ConfigError
from harness.project.run_options import RunOptions, options, variable

from ..support.project import Project


def test_set_options_win_over_defaults() -> None:
    merged = RunOptions(limit=1, cache=False).over(RunOptions(limit=2, cache=True, jobs=3))
    assert (merged.limit, merged.cache, merged.jobs) == (1, False, 3)


def test_whole_ignores_defaults_that_select_cases() -> None:
    defaults = RunOptions(variant=("gpt",), limit=5, split="dev", demo=True, jobs=3)
    assert RunOptions(whole=True).over(defaults) == RunOptions(whole=True, jobs=3)


def test_own_variant_ignores_the_default_variant() -> None:
    assert RunOptions(own_variant_only=True).over(RunOptions(variant=("gpt",), limit=5)).variant == ()


def test_environment_sets_every_option() -> None:
    environ = {
        "HARNESS_BACKEND": "a b",
        "HARNESS_DECODING": "free constrained",
        "HARNESS_LIMIT": "3",
        "HARNESS_BUDGET": "1.5",
        "HARNESS_CACHE": "no",
        "HARNESS_RESUME": "1",
        "HARNESS_RECORD": "a b.jsonl",
        "HARNESS_OUTPUT": "a b.html:c.md",
        "HARNESS_JOBS": "",
    }
    assert RunOptions.from_environment(environ) == RunOptions(
        backend=("a", "b"),
        decoding=("free", "constrained"),
        limit=3,
        budget=1.5,
        cache=False,
        resume=True,
        record=Path("a b.jsonl"),
        output=(Path("a b.html"), Path("c.md")),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("LIMIT", "x"), ("LIMIT", "0"), ("BUDGET", "-1"), ("BUDGET", "nan"), ("CACHE", "perhaps"), ("DECODING", "fre")],
)
def test_invalid_environment_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"HARNESS_{name}={value}: should be "):
        RunOptions.from_environment({f"HARNESS_{name}": value})


def test_toml_paths_count_from_the_file(project: Project) -> None:
    project.config('[run]\nrecord = "a.jsonl"\noutput = ["x/r.html"]\n')
    run = project.load().run
    assert (run.record, run.output) == (project.root / "a.jsonl", (project.root / "x/r.html",))


@pytest.mark.parametrize("key", ["own_variant_only", "whole", "every_backend", "batch"])
def test_internal_options_are_no_toml_keys(project: Project, key: str) -> None:
    project.config(f"[run]\n{key} = true\n")
    with pytest.raises(ConfigError, match=f"unknown key '{key}'"):
        project.load()


def test_flags_of_run_are_the_options() -> None:
    commands: Any = get_command(cli.app)
    flags = {parameter.name: parameter for parameter in commands.commands["run"].params}
    for option in options():
        flag = flags[option.name]
        assert flag.envvar == variable(option.name)
        assert flag.help == option.metadata["doc"]


def test_arguments_of_run_are_the_options() -> None:
    printed_only = {"quiet", "output"}
    assert set(RunArguments.__annotations__) == {option.name for option in options()} - printed_only
