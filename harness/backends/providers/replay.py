"""Replies from a saved run or a recording: `--backend replay:RUN`, `--backend replay:FILE`.

Works offline. A reply is looked up by the hash of its request: a changed prompt never gets the reply to another
prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

from harness.backends.http.errors import failed
from harness.backends.local.models import Progress
from harness.core.plugins import ProviderCapabilities
from harness.core.toml import StrictModel
from harness.core.types import ModelInfo, Request, Response
from harness.project.config import BackendConfig
from harness.store.recording import ENDING, Recording
from harness.store.runs import open_store

PROVIDER_NAME = "replay"
PREFIX = f"{PROVIDER_NAME}:"


class ReplayOptions(StrictModel):
    """Keys of a replay backend, set by the command line: a store with the run, or a recording.

    `backend`: the recorded backend. `digest`: hash of the file, so that cached replies of an older file are not used.
    `evals`: the evals that the file has replies for.
    """

    store_url: str | None = None
    file: str | None = None
    backend: str = ""
    digest: str = ""
    evals: tuple[str, ...] = ()


class ReplayBackend:
    """Returns saved replies."""

    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(needs_key=False, replays=True)
    options_class: ClassVar[type[ReplayOptions]] = ReplayOptions
    concurrency = 64
    warm_up = False
    exclusive = False

    def __init__(self, find: Callable[[str], Response | None], info: ModelInfo, where: str) -> None:
        """`find`: looks a response up by request key. `info`: the model that replied. `where`: name of the source."""
        self._find = find
        self._info = info
        self._where = where

    @classmethod
    def connect(cls, config: BackendConfig, _progress: Progress | None = None) -> Self:
        """Open the run or the file that `config.model` names; raises `StoreError` if there is none."""
        options = ReplayOptions.model_validate(config.options)
        if options.file is not None:
            replies = Recording(Path(options.file)).replies(options.backend)
            return cls(replies.find, replies.source.model, config.model)
        store = open_store(options.store_url or "")
        try:
            run = store.load(config.model)
        finally:
            store.close()
        saved = {r.request_key: r.response for r in run.results if r.response.error is None}
        return cls(saved.get, _model_of(run.manifest.fingerprint), run.manifest.run_id)

    async def identify(self) -> ModelInfo:
        """The model that replied originally."""
        return replace(self._info, note=f"replayed from {self._where}")

    async def complete(self, request: Request) -> Response:
        """The saved reply to exactly this request; the error `not_recorded` if there is none."""
        if (response := self._find(request.key)) is not None:
            return response
        return failed("not_recorded", f"{self._where} holds no reply to this prompt: its requests were different")

    async def close(self) -> None:
        """Nothing to release."""


def is_file(name: str) -> bool:
    """Whether `replay:…` names a recording instead of a run, by its ending before an optional `#backend`."""
    return name.removeprefix(PREFIX).partition("#")[0].endswith(ENDING)


def of_file(name: str) -> BackendConfig:
    """The backend `replay:FILE` or `replay:FILE#BACKEND`; raises `StoreError` for a missing or invalid file."""
    reference = name.removeprefix(PREFIX)
    file, _, backend = reference.partition("#")
    recording = Recording(Path(file))
    answers = recording.replies(backend)
    source = answers.source
    settings = {"name": name, "provider": PROVIDER_NAME, "model": reference, "variant": source.own_variant}
    options = {"file": file, "backend": source.backend, "digest": recording.digest, "evals": answers.evals}
    return BackendConfig.model_validate({**settings, **options})


def of_run(run_id: str, variant: str, store_url: str) -> BackendConfig:
    """The backend `replay:RUN`, which returns the replies of a saved run."""
    values = {"name": f"{PREFIX}{run_id}", "provider": PROVIDER_NAME, "model": run_id, "variant": variant}
    return BackendConfig.model_validate({**values, "store_url": store_url})


def has_replies_for(config: BackendConfig, eval_name: str) -> bool:
    """Whether a backend may have replies for an eval; a recording lists its evals."""
    evals = config.options.get("evals", ()) if config.capabilities.replays else ()
    return not evals or eval_name in evals


def _model_of(fingerprint: Mapping[str, str]) -> ModelInfo:
    return ModelInfo(
        model=fingerprint.get("model", ""),
        digest=fingerprint.get("model_digest", ""),
        quantization=fingerprint.get("quantization", ""),
        engine=fingerprint.get("engine", ""),
        engine_version=fingerprint.get("engine_version", ""),
    )


PROVIDER = ReplayBackend
