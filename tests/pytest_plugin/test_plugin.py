"""`pytest evals/`, run by pytest's own tester against a fake server on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np  # noqa: F401  pytester forgets what its inner session imports, and numpy refuses a second time
import pytest
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401

from ..support.knowing import correct_reply
from ..support.project import Project
from ..support.servers import FakeOpenAI, Reply

pytest_plugins = ["pytester"]


@pytest.fixture
def evals(
    pytester: pytest.Pytester, served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """The small project as the tester's folder; the model knows the answers."""
    server.answer = correct_reply
    monkeypatch.chdir(served.root)
    monkeypatch.setattr(pytester, "_path", served.root)
    return pytester


def run(evals: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return evals.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def test_each_gate_of_each_cell_is_a_test(evals: pytest.Pytester, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.3\nmin_compliance = 0.3\n")
    result = run(evals, "evals/", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*local@fake[[]min_accuracy[]] PASSED*", "*local@fake[[]min_compliance[]] PASSED*", "*= evals =*"]
    )
    result.stdout.fnmatch_lines(["local@fake  100.0%*"])


def test_failed_gate_shows_figures_and_wrong_cases(evals: pytest.Pytester, served: Project, server: FakeOpenAI) -> None:
    server.answer = lambda _: Reply("The category is: general")
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    result = run(evals, "evals/")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "triage local@fake: strict accuracy 0.0% (0 of 4)*min_accuracy*",
            "  t-1: expected billing, got 'The category is: general' (preamble)",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_all_tests_of_a_cell_share_one_run(evals: pytest.Pytester, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.3\nmin_compliance = 0.3\nmin_lenient_accuracy = 0.3\n")
    run(evals, "evals/").assert_outcomes(passed=3)
    assert len(server.prompts) == 4


@pytest.mark.slow
def test_xdist_workers_share_one_run(evals: pytest.Pytester, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.3\nmin_compliance = 0.3\nmin_lenient_accuracy = 0.3\n")
    result = run(evals, "evals/", "-n", "2")
    result.assert_outcomes(passed=3)
    assert len(server.prompts) == 4
    result.stdout.fnmatch_lines(["local@fake  100.0%*"])


def test_failed_call_fails_the_test_as_undecided(evals: pytest.Pytester, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.1\n")
    server.answer = lambda asked: Reply(status=400) if "Easter" in asked.prompt else correct_reply(asked)
    result = run(evals, "evals/")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["triage local@fake: *1 of 4 calls failed*bad_request*"])


def test_gate_that_needs_more_cases_fails_as_undecided(evals: pytest.Pytester, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.9\n")
    result = run(evals, "evals/")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["triage local@fake: *min_accuracy is undecided: *needs 35 cases*"])
    result = run(evals, "evals/", "--eval-strict")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*triage.toml:6: min_accuracy 0.9 needs 35 cases*"])


def test_eval_without_gates_has_one_test_for_failed_calls(evals: pytest.Pytester) -> None:
    result = run(evals, "evals/", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*local@fake[[]answers[]] PASSED*"])


HOSTED = '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'


def test_unavailable_backend_is_skipped_but_fails_if_named(evals: pytest.Pytester, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + HOSTED)
    result = run(evals, "evals/", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*OPENAI_API_KEY*"])
    run(evals, "evals/", "--backend", "gpt").assert_outcomes(failed=1)


def test_mistake_in_an_eval_is_one_line_without_traceback(evals: pytest.Pytester, served: Project) -> None:
    served.eval("[gates]\nmin_acuracy = 0.3\n")
    result = run(evals, "evals/")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*triage.toml:6: *'min_acuracy'*'min_accuracy'*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_run_eval_fixture_returns_the_report_of_a_cell(evals: pytest.Pytester, served: Project) -> None:
    served.write(
        "evals/test_own.py",
        "def test_phrasing(run_eval):\n"
        "    cell = run_eval('triage', variant='gpt')\n"
        "    assert cell.summary.accuracy.lenient.hits == 4\n"
        "    assert cell.summary.accuracy.strict.hits == 0\n"
        "    assert dict(cell.summary.violations) == {'preamble': 4}\n",
    )
    result = run(evals, "evals/test_own.py")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["gpt@fake *"])


def test_eval_report_writes_each_file(evals: pytest.Pytester, served: Project) -> None:
    run(evals, "evals/", "--eval-report", "out/r.html", "--eval-report", "r.jsonl").assert_outcomes(passed=1)
    assert (served.root / "out/r.html").is_file()
    rows = [json.loads(line) for line in (served.root / "r.jsonl").read_text().splitlines()]
    assert len(rows) == 4


def test_plugin_is_silent_without_evals(evals: pytest.Pytester, served: Project, server: FakeOpenAI) -> None:
    served.write("tests/test_other.py", "def test_x():\n    pass\n")
    served.write("tests/evals/x.toml", "anything = 1\n")
    result = run(evals, "tests/")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*evals*")
    assert not server.received


def test_at_start_the_plugin_imports_nothing_but_itself(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("def test_x():\n    pass\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\n\ndef pytest_unconfigure():\n    print('MODULES', *sys.modules, file=sys.__stdout__)\n"
    )

    def modules(*options: str) -> set[str]:
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", *options]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        (line,) = [line for line in ended.stdout.splitlines() if line.startswith("MODULES ")]
        return set(line.split()[1:])

    without = modules("-p", "no:prompt_portability_harness")
    imported = modules() - without
    assert imported == {"harness", "harness.pytest_plugin"}
    assert {"pydantic", "sqlalchemy", "openai", "numpy", "jinja2", "rich", "typer", "yaml"}.isdisjoint(without)


def test_printed_test_id_selects_the_test(evals: pytest.Pytester, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.3\nmin_compliance = 0.3\n")
    run(evals, "evals/triage.toml::local@fake[min_accuracy]").assert_outcomes(passed=1)


def test_run_defaults_of_harness_toml_do_not_limit_gates(
    evals: pytest.Pytester, served: Project, server: FakeOpenAI
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[run]\nlimit = 1\nvariant = ["gpt"]\n')
    served.eval("[gates]\nmin_accuracy = 0.3\n")
    run(evals, "evals/").assert_outcomes(passed=1)
    assert len(server.prompts) == 4


def test_unknown_report_ending_fails_before_any_request(evals: pytest.Pytester, server: FakeOpenAI) -> None:
    result = run(evals, "evals/", "--eval-report", "x.pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *x.pdf*"])
    assert not server.received


def test_ctrl_c_ends_the_session(evals: pytest.Pytester, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.3\nmin_compliance = 0.3\n")
    server.answer = lambda asked: Reply("billing", delay_s=0 if "Say OK" in asked.prompt else 30)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "evals/"]
    with subprocess.Popen(command, cwd=served.root, stdout=subprocess.PIPE, text=True) as session:
        while not server.prompts:
            assert session.poll() is None
            time.sleep(0.01)
        asked = len(server.prompts)
        session.send_signal(signal.SIGINT)
        session.communicate(timeout=20)
    assert session.returncode == pytest.ExitCode.INTERRUPTED
    assert len(server.prompts) <= asked + 4
