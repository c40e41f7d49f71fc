"""`harness doctor`."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.project import Project


def test_doctor_names_the_problem_of_each_backend(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(
        path.read_text()
        + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
        + '\n[backends.gone]\nprovider = "vllm"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nvariant = "local"\n'
    )
    ended = harness("doctor")
    assert ended.code == 2
    assert "ok fake: fake-model" in ended.out
    lines = {line.split(":")[0]: line for line in ended.out.splitlines()}
    assert "OPENAI_API_KEY" in lines["no gpt"]
    assert "http://127.0.0.1:9/v1" in lines["no gone"]
