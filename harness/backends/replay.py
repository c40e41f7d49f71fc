"""Answers from a saved run: `--backend replay:RUN`. Offline, exact, free.

An answer is found by the request it was given to, so a prompt that has changed since gets no answer: replaying must
never pass replies to one prompt off as replies to another.
"""

from __future__ import annotations

from harness.backends._http import failed
from harness.config import BackendConfig, Strict
from harness.models import Progress
from harness.store import open_store
from harness.types import ModelInfo, Request, Response, Run

PREFIX = "replay:"


class Options(Strict):
    """Keys of a replay backend, filled in by the command line."""

    store_url: str


class ReplayBackend:
    """One saved run that answers again."""

    concurrency = 64
    warm_up = False
    exclusive = False

    def __init__(self, run: Run) -> None:
        """`run` holds the answers."""
        self._run = run
        self._answers = {r.request_key: r.response for r in run.results if r.response.error is None}

    async def identify(self) -> ModelInfo:
        """The model that answered then."""
        told = self._run.manifest.fingerprint
        return ModelInfo(
            model=told.get("model", ""),
            digest=told.get("model_digest", ""),
            quantization=told.get("quantization", ""),
            engine=told.get("engine", ""),
            engine_version=told.get("engine_version", ""),
            note=f"replayed from {self._run.manifest.run_id}",
        )

    async def complete(self, request: Request) -> Response:
        """The saved answer to exactly this request."""
        if request.key in self._answers:
            return self._answers[request.key]
        run_id = self._run.manifest.run_id
        return failed("not_recorded", f"{run_id} holds no answer to this prompt: it was asked something else")

    async def close(self) -> None:
        """Nothing is held."""


def connect(config: BackendConfig, _progress: Progress | None = None) -> ReplayBackend:
    """A backend for the run that `config.model` names; raises `StoreError` where there is none."""
    store = open_store(Options.model_validate(config.options).store_url)
    try:
        return ReplayBackend(store.load(config.model))
    finally:
        store.close()
