"""Output without a terminal: whole lines, neither wrapped nor padded to a width."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.knowing import correct_reply
from ..support.project import Project
from ..support.servers import FakeOpenAI

LONG = (
    "a-backend-with-a-name-that-is-longer-than-any-screen-has-columns-because-it-names-model-and-quantization-and-host"
)


def test_lines_are_whole_and_not_padded_to_a_width(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace("backends.fake", f"backends.{LONG}"))
    server.answer = correct_reply
    runs = ["run"], ["run", "--no-cache"]
    views = (
        ["report"],
        ["list"],
        ["cases", "triage"],
        ["history"],
        ["history", "triage"],
        ["compare", f"local@{LONG}~1", f"local@{LONG}"],
        ["baseline", "save", "triage"],
        ["baseline", "list"],
        ["datasets", "power", "tickets"],
        ["run", "--estimate"],
    )
    for arguments in (*runs, *views):
        ended = harness(*arguments)
        assert ended.code != 2, ended.err
        lines = ended.out.splitlines()
        assert [line for line in lines if len(line) > 1000] == [], arguments
    row = next(line for line in harness("report").out.splitlines() if f"local@{LONG}" in line)
    assert "100.0%" in row
