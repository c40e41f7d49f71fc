"""Import of Inspect logs: zip and JSON, epochs as repeats, failed samples as errors."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection, source

from .files import HEADER, imported, inspect_eval, inspect_json, inspect_sample, rates

Write = Callable[[Path, list[dict[str, Any]]], Path]
BOTH = pytest.mark.parametrize("write", [inspect_json, inspect_eval])


@BOTH
def test_log_is_imported_as_a_run(tmp_path: Path, write: Write) -> None:
    samples = [inspect_sample("a", "yes", "C"), inspect_sample(2, "perhaps", "I"), inspect_sample("c", "half", "P")]
    imported_run = imported(write(tmp_path / "log.json", samples))
    assert rates(imported_run) == (1, 1, 3)
    manifest, result = imported_run.run.manifest, imported_run.run.results[0]
    assert (manifest.eval, manifest.fingerprint["model"], manifest.n_cases) == ("wetness", "openai/gpt-4o", 3)
    assert (result.response.text, result.response.prompt_tokens, result.response.latency_s) == ("yes", 5, 0.25)
    assert {r.case.id for r in imported_run.run.results} == {"a", "2", "c"}


@BOTH
def test_epochs_become_repeats_of_one_case(tmp_path: Path, write: Write) -> None:
    imported_run = imported(write(tmp_path / "x.eval", [inspect_sample("a", "yes", "C", epoch) for epoch in (1, 2, 3)]))
    assert [result.repeat for result in imported_run.run.results] == [0, 1, 2]
    assert len({result.case.digest for result in imported_run.run.results}) == 1
    assert (imported_run.run.manifest.n_cases, imported_run.run.manifest.repeats) == (1, 3)


@BOTH
def test_failed_or_unscored_sample_is_an_error(tmp_path: Path, write: Write) -> None:
    failed = inspect_sample("a", "", None, scores={}, error={"message": "no connection", "traceback": "…"})
    unscored = inspect_sample("b", "yes", float("nan"))
    imported_run = imported(write(tmp_path / "x.json", [failed, unscored, inspect_sample("c", "yes", 1.0)]))
    messages = {r.case.id: r.response.error and r.response.error.message for r in imported_run.run.results}
    assert messages == {"a": "no connection", "b": "the log has no score for this sample", "c": None}
    assert rates(imported_run) == (1, 1, 1)


def test_several_scorers_require_a_choice(tmp_path: Path) -> None:
    scores = {"match": {"value": "I"}, "includes": {"value": "C"}}
    path = inspect_json(tmp_path / "x.json", [inspect_sample("a", "oh yes", "I", scores=scores)])
    with pytest.raises(ConfigError, match="2 scores: choose with --correct match or --correct includes"):
        imported(path)
    assert rates(imported(path, ColumnSelection(correct="match"))) == (0, 0, 1)
    assert rates(imported(path, ColumnSelection(correct="includes"))) == (1, 1, 1)
    with pytest.raises(ConfigError, match="no score 'matches'"):
        imported(path, ColumnSelection(correct="matches"))


def test_zstandard_members_are_decompressed(tmp_path: Path) -> None:
    sample = json.dumps(inspect_sample("a", "yes", "C")).encode()
    path = tmp_path / "x.eval"
    packed = pa.Codec("zstd").compress(sample, asbytes=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples/a_epoch_1.json", packed)
        archive.writestr("header.json", json.dumps({"eval": HEADER}))
    # zipfile cannot write Zstandard before Python 3.14, so patch the method in both headers.
    data, method = bytearray(path.read_bytes()), (93).to_bytes(2, "little")
    data[8:10] = method
    at = data.index(b"PK\x01\x02")
    data[at + 10 : at + 12] = method
    data[at + 24 : at + 28] = len(sample).to_bytes(4, "little")
    path.write_bytes(data)
    assert rates(imported(path)) == (1, 1, 1)


def test_zip_above_the_size_limit_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MEMBER_LIMIT", 10_000)
    path = inspect_eval(tmp_path / "x.eval", [inspect_sample("a", "y" * 20_000, "C")])
    assert path.stat().st_size < 5_000
    with pytest.raises(ConfigError, match="after decompression"):
        imported(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 and nothing else", "damaged or cut short"),
        (b'{"eval": {"task": "t"}, "samples": null}', "has no samples"),
        (b'{"eval": {"task": "t"}, "samples": [1]}', "sample 1: .*not int"),
        (b'{"eval": {"task": "t"}, "samples": []}', "no rows"),
    ],
)
def test_damaged_or_empty_log_is_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path / "x.json")


def test_zip_that_is_not_a_log_is_rejected(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    (tmp_path / "x.eval").write_bytes(buffer.getvalue())
    with pytest.raises(ConfigError, match="not an Inspect log"):
        imported(tmp_path / "x.eval")


@pytest.mark.parametrize("absurd", [pytest.param(10**400, id="huge"), 1_000_000_001, -1, True, "5"])
def test_invalid_counts_and_times_are_ignored(tmp_path: Path, absurd: object) -> None:
    sample = inspect_sample("a", "yes", "C")
    sample["output"] |= {"usage": {"input_tokens": absurd, "output_tokens": absurd}, "time": absurd}
    (result,) = imported(inspect_json(tmp_path / "x.json", [sample])).run.results
    response = result.response
    assert (response.prompt_tokens, response.completion_tokens, response.latency_s) == (None, None, None)
