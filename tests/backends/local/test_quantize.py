"""Quantization of models: names, output of the child process, and real files made from SmolLM2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.backends.local import gguf, models, quantize
from harness.core import extras
from harness.core.errors import BackendError, BackendUnavailable

from ...support.backend_calls import ask, configured, identify, request
from ...support.cli import Terminal
from .test_gguf import file_type, header

NAME = "smollm2-135m-instruct"
MODEL_FILE = models.cached_path(NAME)
SOURCE = header(file_type(3))
"""A header without tensors, of type Q4_1."""

with_model = [
    pytest.mark.model,
    pytest.mark.skipif(not MODEL_FILE.is_file(), reason=f"{NAME} is not in the cache: `harness models pull {NAME}`"),
    pytest.mark.skipif(not extras.is_installed("quantize"), reason=extras.install_command("quantize")),
]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class TestNames:
    @pytest.mark.parametrize(
        ("model", "parts"),
        [
            (f"{NAME}:F16", (NAME, "F16")),
            (f"{NAME}:q4_k_m", (NAME, "Q4_K_M")),
            ("models/own.gguf:Q8_0", ("models/own.gguf", "Q8_0")),
            ("hf:owner/repo/file.gguf:Q8_0", ("hf:owner/repo/file.gguf", "Q8_0")),
            (NAME, (NAME, "")),
            ("hf:owner/repo/file.gguf", ("hf:owner/repo/file.gguf", "")),
            (r"C:\models\own.gguf", (r"C:\models\own.gguf", "")),
            ("odd:name.gguf", ("odd:name.gguf", "")),
            (":F16", (":F16", "")),
        ],
    )
    def test_quantization_follows_the_last_colon(self, model: str, parts: tuple[str, str]) -> None:
        assert quantize.split(model) == parts

    def test_unknown_quantization_names_the_nearest(self) -> None:
        with pytest.raises(BackendError, match=r"^no quantization 'q4_km' \(did you mean 'Q4_K_M'\?\)$"):
            quantize.check("q4_km")
        with pytest.raises(BackendError, match=r"^no quantization 'Q4KM' \(did you mean 'Q4_K_M'\?\)$"):
            models.resolve(f"{NAME}:Q4KM")

    def test_file_name_has_the_source_quantization(self) -> None:
        assert quantize.file_name("m", "F16", "Q4_1") == "m.F16-from-Q4_1.gguf"
        assert quantize.file_name("m", "Q8_0", "F16 from Q4_1") == "m.Q8_0-from-F16-from-Q4_1.gguf"
        assert quantize.file_name("m", "Q8_0", "") == "m.Q8_0-from-unknown.gguf"


class TestChild:
    """The real `make`, with a script instead of llama.cpp. Arguments: the source, the target and a number."""

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(extras, "check", lambda *_, **__: None)

    def make(self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> tuple[str, list[tuple[int, int]]]:
        python = folder / "python"
        python.write_text(f"#!/bin/sh\nshift 3\nsource=$1; target=$2\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        (folder / "m.gguf").write_bytes(SOURCE)
        told: list[tuple[int, int]] = []
        said = quantize.make(folder / "m.gguf", folder / "made/x.gguf", "Q2_K", lambda *what: told.append(what))
        return said, told

    def test_quantized_file_records_its_source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        said, told = self.make(
            tmp_path, monkeypatch, "cp $source $target; echo '[   1/ 2] a' >&2; echo '[   2/ 2] b' >&2"
        )
        assert gguf.quantization(tmp_path / "made/x.gguf") == "Q4_1 from Q4_1"
        assert names(tmp_path / "made") == ["x.gguf"]
        assert (said, told) == ("", [(1, 2), (2, 2)])

    def test_llama_cpp_warning_about_the_result_is_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = (
            "echo 'llama_model_quantize_impl: model size  =    92.10 MiB (5.74 BPW)' >&2\n"
            "echo 'llama_model_quantize_impl: quant size  =    82.41 MiB (5.14 BPW)' >&2\n"
            "echo 'llama_model_quantize_impl: WARNING: 180 of 272 tensor(s) required fallback quantization' >&2\n"
        )
        said, _ = self.make(tmp_path, monkeypatch, f"cp $source $target\n{log}")
        assert said == "5.14 bits per weight, because 180 of 272 tensors do not fit Q2_K and took another type"

    @pytest.mark.parametrize(
        ("script", "why"),
        [
            (
                "echo 'x: failed to quantize: this quantization requires an imatrix!' >&2; exit 1",
                "this quantization requires an imatrix!",
            ),
            (
                "echo 'x: failed to quantize: basic_ios::clear: iostream error' >&2; exit 1",
                "llama.cpp cannot write the file: is the disk full?",
            ),
            ("exit 1", "llama.cpp gave no reason"),
            ("echo 'ImportError: libgomp.so.1: cannot open' >&2; exit 1", "ImportError: libgomp.so.1: cannot open"),
            ("kill -SEGV $$", "llama.cpp was killed by signal 11: check free memory and disk space"),
        ],
    )
    def test_failure_is_one_line_and_leaves_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
    ) -> None:
        with pytest.raises(BackendError) as caught:
            self.make(tmp_path, monkeypatch, f"echo half > $target; {script}")
        assert str(caught.value) == f"m.gguf cannot be quantized to Q2_K: {why}"
        assert names(tmp_path / "made") == []

    def test_unwritable_folder_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "made").write_text("a file stands where the folder should be")
        with pytest.raises(BackendUnavailable, match=r"made/x\.gguf: cannot be written: "):
            self.make(tmp_path, monkeypatch, "")


class TestWithoutTheExtra:
    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file of type Q4_1 as the catalog's model, in a separate cache, without a quantizer."""
        monkeypatch.setitem(sys.modules, "cyllama", None)
        monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path))
        path = models.cached_path(NAME)
        path.parent.mkdir()
        path.write_bytes(SOURCE)
        return path

    def test_missing_extra_names_the_install_command(self) -> None:
        with pytest.raises(BackendUnavailable, match=r'needs cyllama\. Install it: pip install ".*\[quantize\]"$'):
            models.resolve(f"{NAME}:F16")

    def test_missing_quantization_names_its_command(self) -> None:
        with pytest.raises(BackendUnavailable) as caught:
            models.resolve(f"{NAME}:F16", fetch=False)
        assert str(caught.value) == (f"model '{NAME}:F16' is not here yet: `harness models quantize {NAME} --to F16`")

    def test_existing_quantization_uses_the_file_itself(self, source: Path) -> None:
        assert models.resolve(f"{NAME}:Q4_1") == source

    def test_existing_quantized_file_is_reused(self, source: Path) -> None:
        made = models.quantized_path(source, "F16")
        gguf.stamp(source, made, "Q4_1")
        assert models.resolve(f"{NAME}:f16", fetch=False) == made
        assert models.made() == [made]

    def test_each_source_has_a_separate_quantized_file(self, source: Path, tmp_path: Path) -> None:
        one, two = tmp_path / "one/own.gguf", tmp_path / "two/own.gguf"
        for path, raw in ((one, SOURCE), (two, header(file_type(1)))):
            path.parent.mkdir()
            path.write_bytes(raw)
        first, second = (models.quantized_path(path, "Q8_0").name for path in (one, two))
        assert first.startswith("own-")
        assert first.endswith(".Q8_0-from-Q4_1.gguf")
        assert second.endswith(".Q8_0-from-F16.gguf")
        assert first.split(".")[0] != second.split(".")[0]
        assert models.quantized_path(one, "Q8_0", tmp_path / "out").parent == tmp_path / "out"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with only SmolLM2."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "models").mkdir()
    (folder / "models" / MODEL_FILE.name).symlink_to(MODEL_FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(folder))
        yield folder


@pytest.mark.usefixtures("cache")
class TestReal:
    pytestmark = with_model

    def test_quantize_command_makes_files_and_hides_the_log(self, harness: Terminal, cache: Path) -> None:
        # a separate process, because C code writes the log
        typed = [sys.executable, "-m", "harness", "models", "quantize", NAME, "--to", "q2_k"]
        ended = subprocess.run(typed, capture_output=True, text=True, check=True)
        assert ended.stderr.startswith(f"note: {MODEL_FILE.name} is Q4_1: ")
        assert "llama" not in ended.stderr
        what, path = ended.stdout.splitlines()
        assert what.startswith("Q2_K from Q4_1, 88 MB, sha256:")
        assert "180 of 272 tensors do not fit Q2_K" in what
        assert Path(path.strip()).parent == cache / "models"

        again = harness("models", "quantize", NAME, "--to", "Q2_K")
        assert "(already exists)" in again.out
        assert f"quantized here: Q2_K from Q4_1, 88 MB\n{path}" in harness("models", "list").out

    def test_backend_quantizes_its_model_and_reports_it(self, cache: Path) -> None:
        config = configured("llamacpp", model=f"{NAME}:Q2_K", timeout_s=120.0)
        info = identify(config)
        assert (info.model, info.quantization) == (f"{NAME}:Q2_K", "Q2_K from Q4_1")
        (response,) = ask(config, request("Say hello.", max_tokens=4))
        assert response.error is None
        assert response.completion_tokens
        assert len(list((cache / "models").glob("*.Q2_K-from-Q4_1.gguf"))) == 1

    def test_impossible_quantization_is_a_one_line_error(self, harness: Terminal) -> None:
        ended = harness("models", "quantize", NAME, "--to", "IQ2_XXS")
        assert ended.code != 0
        assert ended.err.splitlines()[-1] == (
            f"error: {MODEL_FILE.name} cannot be quantized to IQ2_XXS: this quantization requires an imatrix!"
        )
