"""Files of requests and of results: `harness batch export`, an engine that takes such files, `harness batch import`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, cast

from harness.backends.http.errors import failed, passwords
from harness.backends.http.transport import HTTPResponse, TransportError
from harness.backends.providers.openai import OpenAIBackend, key_of
from harness.core.errors import BackendError, ConfigError, StoreError
from harness.core.plugins import PROVIDERS, provider_capabilities
from harness.core.types import JSON, Billing, ModelInfo, Request, Response
from harness.project.config import BackendConfig
from harness.runner.batch.jsonl import CustomId, answered_at, cell_part, id_of, line_of, response_of
from harness.runner.batch.results import BatchResults
from harness.runner.cell_runner import AT_ONCE, CellRunner, PlannedRequest
from harness.runner.plan import Cell


def takes_files(config: BackendConfig) -> bool:
    """Whether what a backend is asked can stand in a file of requests."""
    return config.capabilities.request_files


def export(cells: Sequence[Cell], path: Path) -> tuple[int, list[str]]:
    """Write what the cells ask to `path`. How many requests, and which cases are left out and why.

    Raises `ConfigError` for cells that do not go into one file, `StoreError` where it cannot be written.
    """
    _check(cells)
    written, left_out = 0, []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for cell in cells:
                backend = offline(cell.backend)
                for case, request in cell.requests:
                    asked = PlannedRequest(case, request, request.key)
                    try:
                        file.write(line_of(backend, id_of(cell, asked), request))
                        written += 1
                    except ValueError as error:
                        left_out.append(
                            f"{cell.definition.name} {cell.name}: case {case.id} fits into no JSON: {error}"
                        )
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise StoreError(msg) from None
    return written, left_out


def offline(config: BackendConfig) -> OpenAIBackend:
    """A backend that knows what it would send and how to read what comes, and sends nothing. It needs no key."""
    provider = cast("type[OpenAIBackend]", PROVIDERS.load(config.provider))  # `request_files` says so
    return provider.connect(config, transport=_NoTransport(_secrets(config)))


def _secrets(config: BackendConfig) -> tuple[str, ...]:
    """What whoever asked may have sent, as far as it is known here: results repeat it where it was refused."""
    try:
        key = key_of(config)
    except BackendError:  # it is not needed
        key = ""
    return (key, *passwords(config.base_url or ""))


class FileBackend:
    """A backend whose answers are in files already."""

    concurrency = 1
    exclusive = False
    warm_up = False
    billing = Billing.BATCH

    def __init__(self, config: BackendConfig, found: BatchResults, where: str) -> None:
        """`found`: what the files say; `where`: their names."""
        self.config = config
        self.backend = offline(config)
        self.found = found
        self.where = where

    async def identify(self) -> ModelInfo:
        """What harness.toml says: there is nobody to be asked."""
        told, quantization = self.config, self.config.quantization or ""
        note = f"asked by batch: answers from {self.where}"
        return ModelInfo(model=told.model, quantization=quantization, engine=told.provider, note=note)

    async def complete(self, request: Request) -> Response:
        """Nobody is asked."""
        return await self.backend.complete(request)

    async def answer(self, answers: CellRunner, todo: list[PlannedRequest]) -> None:
        """Look each request up."""
        while todo:
            results = []
            for asked in todo:
                said = self.found.take(id_of(answers.cell, asked))
                response = self._response(asked, said)
                results.append(answers.read(asked, response, answered_at(said or {})))
            for start in range(0, len(results), AT_ONCE):
                await answers.commit(results[start : start + AT_ONCE])
            todo = await answers.next_requests()

    async def close(self) -> None:
        """Nothing is held."""

    def _response(self, asked: PlannedRequest, said: Mapping[str, JSON] | None) -> Response:
        if said is None:
            return failed("not_recorded", f"{self.where} holds no answer to this prompt that can be used")
        return response_of(self.backend, asked.request, said)


def left_over(found: BatchResults, cells: Sequence[Cell]) -> list[str]:
    """Results that were not used after all, a line each that says why."""
    over = found.left_over()
    titles = {cell_part(cell): f"{cell.definition.name} {cell.name}" for cell in cells}
    mine = {custom_id for custom_id in over if custom_id.cell in titles}
    cases = _cases(cells) if mine else {}
    return [f"{where}: {_why(custom_id, titles, cases)}" for custom_id, where in over.items()]


def _why(custom_id: CustomId, titles: Mapping[str, str], cases: Mapping[tuple[str, str], str]) -> str:
    title, case = titles.get(custom_id.cell), cases.get((custom_id.cell, custom_id.case))
    if title is None:
        return "of no eval, variant and backend of this import: name those of the export, with the same options"
    if case is None:
        return f"not used: {title} has no such case any more"
    return f"not used: case {case} of {title} was asked something else, or another model, than it would be today"


def _cases(cells: Sequence[Cell]) -> dict[tuple[str, str], str]:
    ids = (
        (id_of(cell, PlannedRequest(case, request, "")), case.id) for cell in cells for case, request in cell.requests
    )
    return {(custom_id.cell, custom_id.case): case_id for custom_id, case_id in ids}


def _check(cells: Sequence[Cell]) -> None:
    for cell in cells:
        if not takes_files(cell.backend):
            names = " and ".join(n for n in PROVIDERS.names() if provider_capabilities(n).request_files)
            msg = f"backend {cell.backend.name}: request files are for {names}, not for {cell.backend.provider}"
            raise ConfigError(msg)
    if len({cell.backend.name for cell in cells}) > 1:
        msg = "an engine that takes files serves one model: name one --backend"
        raise ConfigError(msg)
    if len({cell.task.embeds for cell in cells}) > 1:
        msg = "a file of requests is for one endpoint: name evals that all embed, or that all do not"
        raise ConfigError(msg)


class _NoTransport:
    """The way to no server."""

    url = "nowhere"
    host = ""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        """`secrets` stand in no message."""
        self.secrets = secrets

    async def get(self, path: str) -> HTTPResponse:
        """Nothing is fetched."""
        self._refuse(path)

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Nothing is sent."""
        del body
        self._refuse(path)

    async def close(self) -> None:
        """Nothing is held."""

    def _refuse(self, path: str) -> NoReturn:
        msg = f"{path}: a file of answers is no server"
        raise TransportError(msg)
