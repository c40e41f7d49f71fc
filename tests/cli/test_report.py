"""`harness report`."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.knowing import correct_reply
from ..support.project import Project
from ..support.servers import FakeOpenAI


def test_report_and_export_send_no_requests(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    harness("run")
    asked = len(server.chats)
    ended = harness("report")
    assert ended.code == 0
    assert (served.root / "reports/report.html").is_file()
    ended = harness("export", "triage", "-o", "all.csv")
    assert "8 results of 2 runs" in ended.out
    assert len(server.chats) == asked


def test_report_prefers_complete_runs_of_known_backends(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = correct_reply
    harness("run", "--variant", "local")
    harness("run", "--variant", "local", "--limit", "1")
    harness("report", "-o", "r.jsonl")
    assert len((served.root / "r.jsonl").read_text().splitlines()) == 4
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace("backends.fake", "backends.renamed"))
    assert "no finished runs" in harness("report").err
