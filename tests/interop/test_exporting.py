"""Export formats, and round trips through them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.core.errors import ConfigError
from harness.core.types import CallError, Response, Run
from harness.interop import ColumnSelection, export, export_format, export_formats

from .files import imported, jsonl, rates, tickets

COLUMNS = ColumnSelection(id="item", reply="reply", expected="gold", inputs=("model",))
REPLIES = {"t-0": "The category is: billing", "t-1": "dunno", "t-2": "Technical", "t-3": "\ud800 billing\u2028"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Thirty replies, four of them wrong or not compliant."""
    return imported(jsonl(tmp_path / "x.jsonl", tickets("a", REPLIES)), COLUMNS).run


def test_export_formats_include_report_formats() -> None:
    assert export_formats() == ["csv", "html", "json", "jsonl", "lm-eval", "md", "parquet", "xml"]


def test_lm_eval_round_trip_keeps_every_reading(tmp_path: Path, run: Run) -> None:
    export([run], tmp_path / "samples_x.jsonl", "lm-eval")
    back = imported(tmp_path / "samples_x.jsonl")
    assert rates(back)[0] == sum(r.score.strict for r in run.results if r.score)
    results = [[(r.case, r.response.text, r.reading, r.score) for r in each.results] for each in (run, back.run)]
    assert [case for case, *_ in results[0]] == [case for case, *_ in results[1]]
    for (_, text, reading, score), (_, text_back, reading_back, score_back) in zip(*results, strict=True):
        assert text_back == text
        assert (score_back, reading_back) == (score, replace(reading, reasoning=None) if reading else None)
    assert back.run.manifest.eval == run.manifest.eval


def test_lm_eval_lines_have_the_original_keys(tmp_path: Path, run: Run) -> None:
    export([run], tmp_path / "s.jsonl", "lm-eval")
    strict, lenient = (json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()[:2])
    assert set(strict) >= {
        "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "exact_match",
    }  # fmt: skip
    assert (strict["filter"], strict["filtered_resps"], strict["exact_match"]) == ("strict-match", ["[invalid]"], 0.0)
    assert (lenient["filter"], lenient["filtered_resps"], lenient["exact_match"]) == (
        "flexible-extract",
        ["billing"],
        1.0,
    )


def test_lm_eval_omits_failed_calls(tmp_path: Path, run: Run) -> None:
    failed = replace(run.results[0], response=Response(error=CallError("timeout", "…")), reading=None, score=None)
    export([replace(run, results=(failed, *run.results[1:]))], tmp_path / "s.jsonl", "lm-eval")
    assert imported(tmp_path / "s.jsonl").run.manifest.n_cases == 29


def test_parquet_has_the_columns_of_jsonl(tmp_path: Path, run: Run) -> None:
    export([run], tmp_path / "x.parquet", "parquet")
    export([run], tmp_path / "x.out", "jsonl")
    table = pq.read_table(tmp_path / "x.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "x.out").read_text().splitlines()]
    assert [list(row) for row in table] == [list(row) for row in lines]
    for name in ("case_id", "strict", "lenient", "compliant", "violations", "expected", "strict_correct"):
        assert [row[name] for row in table] == [row[name] for row in lines]


def test_lm_eval_rejects_several_runs_and_repeats(tmp_path: Path, run: Run) -> None:
    with pytest.raises(ConfigError, match="one run per file, not 2"):
        export([run, run], tmp_path / "x.jsonl", "lm-eval")
    again = replace(run, results=(*run.results, replace(run.results[0], repeat=1)))
    with pytest.raises(ConfigError, match="several answers per case"):
        export([again], tmp_path / "x.jsonl", "lm-eval")


def test_file_extension_is_the_default_format(tmp_path: Path) -> None:
    assert export_format(tmp_path / "x.PARQUET") == "parquet"
    assert export_format(tmp_path / "x.jsonl", "lm-eval") == "lm-eval"
    with pytest.raises(ConfigError, match=r"no format 'doc' \(there are: csv"):
        export_format(tmp_path / "x.doc")
    with pytest.raises(ConfigError, match="did you mean 'lm-eval'"):
        export_format(tmp_path / "x.jsonl", "lmeval")


def test_failed_export_keeps_the_existing_file(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(ConfigError, match="cannot be written"):
        export([run], tmp_path / "file" / "x.parquet", "parquet")
    assert (tmp_path / "file").read_text() == "here"
