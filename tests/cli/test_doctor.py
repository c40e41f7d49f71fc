"""`harness doctor`."""

from __future__ import annotations

import re

from ..support.cli import Terminal
from ..support.project import Project
from ..support.snapshot import Snapshot


def test_doctor_names_the_problem_of_each_backend(harness: Terminal, served: Project, snapshot: Snapshot) -> None:
    path = served.root / "harness.toml"
    path.write_text(
        path.read_text()
        + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
        + '\n[backends.gone]\nprovider = "vllm"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nvariant = "local"\n'
    )
    ended = harness("doctor")
    assert ended.code == 0
    assert "ok fake: fake-model" in ended.out
    snapshot("doctor", ended.out, {re.escape(str(served.root)): "PROJECT", r"\(\[Errno .*?\)\)": "(REASON)"})
    lines = {line.split(":")[0]: line for line in ended.out.splitlines()}
    assert "OPENAI_API_KEY" in lines["no gpt"]
    assert "http://127.0.0.1:9/v1" in lines["no gone"]


def test_missing_key_of_an_optional_backend_is_a_note(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    ended = harness("doctor")
    assert ended.code == 0
    assert "no gpt" in ended.out
    assert ended.err == "note: 1 backend cannot be used: `harness run` leaves out what you do not name\n"
    assert harness("doctor", "gpt").code == 2


def test_unknown_model_fails_doctor_and_run(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace('"fake-model"', '"fake-modl"'))
    assert harness("doctor").code == 2
    ended = harness("run")
    assert ended.code == 2
    assert "lists no model 'fake-modl'" in ended.err
    assert "did you mean 'fake-model'?" in ended.err
