"""Replies from a saved run or a recording: `--backend replay:RUN`, `--backend replay:FILE`, or in harness.toml.

    [backends.gpt-4o-recorded]
    provider = "replay"
    model = "recordings/triage.jsonl"          # `FILE#BACKEND` if the file has several backends
    variant = "gpt"

Works offline. A reply is looked up by the hash of its request: a changed prompt never gets the reply to another
prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from harness.backends.http.errors import failed
from harness.backends.local.models import Progress
from harness.core.errors import ConfigError
from harness.core.plugins import ProviderCapabilities
from harness.core.toml import StrictModel
from harness.core.types import ModelInfo, Request, Response, RunOrigin
from harness.project.config import BackendConfig
from harness.store.recording import ENDING, Recording
from harness.store.runs import open_store

PROVIDER_NAME = "replay"
PREFIX = f"{PROVIDER_NAME}:"


class ReplayOptions(StrictModel):
    """Keys of a replay backend, set by the harness: a store with the run, or a recording.

    `backend`: the recorded backend. `digest`: hash of the file, so that cached replies of an older file are not used.
    `cells`: `EVAL VARIANT` of all recorded replies.
    """

    store_url: str | None = None
    file: str | None = None
    backend: str = ""
    digest: str = ""
    cells: tuple[str, ...] = ()


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
        if not config.options:
            config = of_table(config)
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
    options, own_variant = _recorded(Path(), reference)
    settings = {"name": name, "provider": PROVIDER_NAME, "model": reference, "variant": own_variant}
    return BackendConfig.model_validate({**settings, **options})


def of_table(config: BackendConfig) -> BackendConfig:
    """A backend of harness.toml with `provider = "replay"`, after its recording was read.

    Raises `ConfigError` if `model` names no recording, `StoreError` for a missing or invalid file.
    """
    if not is_file(config.model):
        msg = f"[backends.{config.name}] model = {config.model!r}: name a recording, a file that ends in {ENDING}"
        raise ConfigError(msg)
    options, _ = _recorded(config.folder or Path(), config.model)
    return BackendConfig.model_validate({**config.model_dump(), **options})


def _recorded(folder: Path, reference: str) -> tuple[dict[str, Any], str]:
    """The options for a recording, and the variant that its backend is tuned for."""
    file, _, backend = reference.partition("#")
    path = folder / file
    recording = Recording(path)
    replies = recording.replies(backend)
    options = {"file": str(path), "backend": replies.source.backend, "digest": recording.digest, "cells": replies.cells}
    return options, replies.source.own_variant


def of_run(run_id: str, variant: str, store_url: str) -> BackendConfig:
    """The backend `replay:RUN`, which returns the replies of a saved run."""
    values = {"name": f"{PREFIX}{run_id}", "provider": PROVIDER_NAME, "model": run_id, "variant": variant}
    return BackendConfig.model_validate({**values, "store_url": store_url})


def origin(config: BackendConfig) -> RunOrigin | None:
    """The origin of a run on a replay backend; `None` for other backends."""
    if not config.capabilities.replays:
        return None
    return RunOrigin.REPLAYED if config.name.startswith(PREFIX) else RunOrigin.RECORDED


def recorded_variants(config: BackendConfig, eval_name: str) -> tuple[str, ...]:
    """The variants of an eval that a recording has replies to, in the order of the file."""
    recorded = (cell.split(" ", 1) for cell in config.options.get("cells", ()))
    return tuple(variant for name, variant in recorded if name == eval_name)


def has_replies_for(config: BackendConfig, eval_name: str) -> bool:
    """Whether a backend may have replies for an eval; a recording lists its evals."""
    is_recording = config.capabilities.replays and "cells" in config.options
    return not is_recording or bool(recorded_variants(config, eval_name))


def _model_of(fingerprint: Mapping[str, str]) -> ModelInfo:
    return ModelInfo(
        model=fingerprint.get("model", ""),
        digest=fingerprint.get("model_digest", ""),
        quantization=fingerprint.get("quantization", ""),
        engine=fingerprint.get("engine", ""),
        engine_version=fingerprint.get("engine_version", ""),
    )


PROVIDER = ReplayBackend
