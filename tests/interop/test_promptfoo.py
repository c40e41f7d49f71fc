"""Import of promptfoo's results.json: one provider and one prompt per run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection

from .files import imported, promptfoo, promptfoo_result, rates


def test_results_are_imported_as_a_run(tmp_path: Path) -> None:
    results = [promptfoo_result(0, "billing", passed=True), promptfoo_result(1, "Billing!", passed=False)]
    imported_run = imported(promptfoo(tmp_path / "results.json", results))
    assert rates(imported_run) == (1, 1, 2)
    first = imported_run.run.results[0]
    assert (first.case.id, first.case.expected, first.case.inputs) == ("test-0", "billing", {"text": "ticket 0"})
    assert (first.response.latency_s, first.response.prompt_tokens) == (0.54, 7)
    assert imported_run.run.manifest.fingerprint["model"] == "gpt-4o"


def test_where_selects_a_provider_by_label_or_id(tmp_path: Path) -> None:
    results = [promptfoo_result(i, "billing", passed=p == "q4", provider=p) for i in range(3) for p in ("q4", "gpt-4o")]
    path = promptfoo(tmp_path / "results.json", results)
    with pytest.raises(
        ConfigError, match=r"several providers: choose with --where provider=…; the file has q4 \(3\), gpt-4o"
    ):
        imported(path)
    assert rates(imported(path, ColumnSelection(where=(("provider", "q4"),)))) == (3, 3, 3)
    assert rates(imported(path, ColumnSelection(where=(("provider", "openai:gpt-4o"),)))) == (0, 0, 3)
    with pytest.raises(ConfigError, match=r"no row has provider=q8; the file has q4 \(3\), gpt-4o \(3\)"):
        imported(path, ColumnSelection(where=(("provider", "q8"),)))


def test_case_digests_do_not_depend_on_the_provider(tmp_path: Path) -> None:
    results = [promptfoo_result(i, p, passed=True, provider=p) for i in range(3) for p in ("q4", "gpt-4o")]
    path = promptfoo(tmp_path / "results.json", results)
    digests = [
        [r.case.digest for r in imported(path, ColumnSelection(where=(("provider", p),))).run.results]
        for p in ("q4", "gpt-4o")
    ]
    assert digests[0] == digests[1]


def test_where_selects_a_prompt(tmp_path: Path) -> None:
    results = [
        promptfoo_result(0, "billing", passed=True, promptIdx=i, prompt={"raw": f"{i}", "label": f"p{i}"})
        for i in (0, 1)
    ]
    path = promptfoo(tmp_path / "results.json", results)
    with pytest.raises(ConfigError, match="several prompts: choose with --where prompt="):
        imported(path)
    assert rates(imported(path, ColumnSelection(where=(("prompt", "p1"),)))) == (1, 1, 1)


def test_failed_call_is_an_error_not_a_wrong_answer(tmp_path: Path) -> None:
    failed = promptfoo_result(0, "", passed=False, failureReason=2, error="HTTP 429", response=None)
    imported_run = imported(promptfoo(tmp_path / "r.json", [failed, promptfoo_result(1, "billing", passed=True)]))
    error = imported_run.run.results[0].response.error
    assert error is not None
    assert error.message == "HTTP 429"
    assert rates(imported_run) == (1, 1, 1)


def test_labels_make_the_label_contract_parse_output(tmp_path: Path) -> None:
    results = [promptfoo_result(0, "billing", passed=True), promptfoo_result(1, "It is billing.", passed=False)]
    imported_run = imported(promptfoo(tmp_path / "r.json", results), labels=("billing", "technical"))
    assert rates(imported_run) == (1, 2, 1)


def test_version_2_results_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"version": 2, "results": [promptfoo_result(0, "a", passed=True)]}))
    assert rates(imported(tmp_path / "r.json")) == (1, 1, 1)


@pytest.mark.parametrize("absurd", [pytest.param(10**400, id="huge"), -1, True, "5"])
def test_invalid_counts_and_times_are_ignored(tmp_path: Path, absurd: object) -> None:
    result = promptfoo_result(0, "billing", passed=True)
    result["response"]["tokenUsage"] = {"prompt": absurd, "completion": absurd}
    result["latencyMs"] = absurd
    (imported_run,) = imported(promptfoo(tmp_path / "x.json", [result])).run.results
    response = imported_run.response
    assert (response.prompt_tokens, response.completion_tokens, response.latency_s) == (None, None, None)
