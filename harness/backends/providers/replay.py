"""Answers from a saved run or from a file: `--backend replay:RUN`, `--backend replay:FILE`. Offline, exact, free.

An answer is found by the request it was given to, so a prompt that has changed since gets no answer: replaying must
never pass replies to one prompt off as replies to another.
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
    """Keys of a replay backend, filled in by the command line: a store with the run, or a file of answers.

    `backend`: whose answers in the file. `digest` is the file's, so that what was replayed from another state of it is
    not taken for an answer of this one. `evals` are those that it has answers to.
    """

    store_url: str | None = None
    file: str | None = None
    backend: str = ""
    digest: str = ""
    evals: tuple[str, ...] = ()


class ReplayBackend:
    """Earlier answers, given again."""

    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(needs_key=False, replays=True)
    options_class: ClassVar[type[ReplayOptions]] = ReplayOptions
    concurrency = 64
    warm_up = False
    exclusive = False

    def __init__(self, find: Callable[[str], Response | None], info: ModelInfo, where: str) -> None:
        """`find` knows the answer to a request by its key; `info` is the model that gave it; `where` they are kept."""
        self._find = find
        self._info = info
        self._where = where

    @classmethod
    def connect(cls, config: BackendConfig, _progress: Progress | None = None) -> Self:
        """Open the run or the file that `config.model` names; raises `StoreError` where there is none."""
        options = ReplayOptions.model_validate(config.options)
        if options.file is not None:
            answers = Recording(Path(options.file)).replies(options.backend)
            return cls(answers.find, answers.source.model, config.model)
        store = open_store(options.store_url or "")
        try:
            run = store.load(config.model)
        finally:
            store.close()
        replies = {r.request_key: r.response for r in run.results if r.response.error is None}
        return cls(replies.get, _model_of(run.manifest.fingerprint), run.manifest.run_id)

    async def identify(self) -> ModelInfo:
        """The model that answered then."""
        return replace(self._info, note=f"replayed from {self._where}")

    async def complete(self, request: Request) -> Response:
        """The saved answer to exactly this request."""
        if (said := self._find(request.key)) is not None:
            return said
        return failed("not_recorded", f"{self._where} holds no answer to this prompt: it was asked something else")

    async def close(self) -> None:
        """Nothing is held."""


def is_file(name: str) -> bool:
    """Whether `replay:…` names a file of answers, and not a run: it has that ending, before a `#backend` if any."""
    return name.removeprefix(PREFIX).partition("#")[0].endswith(ENDING)


def of_file(name: str) -> BackendConfig:
    """The backend `replay:FILE` or `replay:FILE#BACKEND`; raises `StoreError` for what is not there or no recording."""
    what = name.removeprefix(PREFIX)
    file, _, backend = what.partition("#")
    recording = Recording(Path(file))
    answers = recording.replies(backend)
    source = answers.source
    settings = {"name": name, "provider": PROVIDER_NAME, "model": what, "variant": source.own_variant}
    options = {"file": file, "backend": source.backend, "digest": recording.digest, "evals": answers.evals}
    return BackendConfig.model_validate({**settings, **options})


def of_run(run_id: str, variant: str, store_url: str) -> BackendConfig:
    """The backend `replay:RUN`, which answers with the replies of a saved run."""
    values = {"name": f"{PREFIX}{run_id}", "provider": PROVIDER_NAME, "model": run_id, "variant": variant}
    return BackendConfig.model_validate({**values, "store_url": store_url})


def has_answers_to(config: BackendConfig, eval_name: str) -> bool:
    """Whether a backend could answer: a file of answers knows which evals it was made with."""
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
