"""Files of requests and results: `harness batch export` and `harness batch import`, with an engine in between."""

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
from harness.runner.batch.jsonl import CustomId, answered_at, cell_part, custom_id_of, request_line, response_of
from harness.runner.batch.results import BatchResults
from harness.runner.cell_runner import AT_ONCE, CellRunner, PlannedRequest
from harness.runner.plan import Cell


def supports_files(config: BackendConfig) -> bool:
    """Return whether a backend's requests can be exported to a file."""
    return config.capabilities.request_files


def export(cells: Sequence[Cell], path: Path) -> tuple[int, list[str]]:
    """Write the requests of `cells` to `path`.

    Returns the number of requests, and a message for each case that was left out. Raises `ConfigError` for cells that
    cannot share a file, `StoreError` if the file cannot be written.
    """
    _check(cells)
    written, left_out = 0, []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for cell in cells:
                backend = offline_backend(cell.backend)
                for case, request in cell.requests:
                    planned = PlannedRequest(case, request, request.key)
                    try:
                        file.write(request_line(backend, custom_id_of(cell, planned), request))
                        written += 1
                    except ValueError as error:
                        title = f"{cell.definition.name} {cell.name}"
                        left_out.append(f"{title}: case {case.id} cannot be written as JSON: {error}")
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise StoreError(msg) from None
    return written, left_out


def offline_backend(config: BackendConfig) -> OpenAIBackend:
    """Return a backend that builds requests and reads replies, but sends nothing and needs no API key."""
    provider = cast("type[OpenAIBackend]", PROVIDERS.load(config.provider))  # `request_files` is true only for these
    return provider.connect(config, transport=_NoTransport(_secrets(config)))


def _secrets(config: BackendConfig) -> tuple[str, ...]:
    """Return the secrets that the engine may have been sent: results of rejected requests may repeat them."""
    try:
        key = key_of(config)
    except BackendError:  # an import works without an API key
        key = ""
    return (key, *passwords(config.base_url or ""))


class FileBackend:
    """A backend that takes its replies from result files."""

    concurrency = 1
    exclusive = False
    warm_up = False
    billing = Billing.BATCH

    def __init__(self, config: BackendConfig, results: BatchResults, source: str) -> None:
        """Args: `results` are the results; `source` names their files."""
        self.config = config
        self.backend = offline_backend(config)
        self.results = results
        self.source = source

    async def identify(self) -> ModelInfo:
        """Return the model that harness.toml names; no server is asked."""
        config, quantization = self.config, self.config.quantization or ""
        note = f"asked by batch: answers from {self.source}"
        return ModelInfo(model=config.model, quantization=quantization, engine=config.provider, note=note)

    async def complete(self, request: Request) -> Response:
        """Return an error: there is no server."""
        return await self.backend.complete(request)

    async def answer(self, answers: CellRunner, todo: list[PlannedRequest]) -> None:
        """Save the result of each request."""
        while todo:
            finished = []
            for planned in todo:
                result = self.results.take(custom_id_of(answers.cell, planned))
                response = self._response(planned, result)
                finished.append(answers.read(planned, response, answered_at(result or {})))
            for start in range(0, len(finished), AT_ONCE):
                await answers.commit(finished[start : start + AT_ONCE])
            todo = await answers.next_requests()

    async def close(self) -> None:
        """Do nothing: no connection is open."""

    def _response(self, planned: PlannedRequest, result: Mapping[str, JSON] | None) -> Response:
        if result is None:
            return failed("not_recorded", f"{self.source} contains no usable reply to this request")
        return response_of(self.backend, planned.request, result)


def unused_results(results: BatchResults, cells: Sequence[Cell]) -> list[str]:
    """Return a message for each unused result: where it is, and why it was not used."""
    unused = results.unused()
    titles = {cell_part(cell): f"{cell.definition.name} {cell.name}" for cell in cells}
    cases = _cases(cells) if any(custom_id.cell in titles for custom_id in unused) else {}
    return [f"{where}: {_why_unused(custom_id, titles, cases)}" for custom_id, where in unused.items()]


def _why_unused(custom_id: CustomId, titles: Mapping[str, str], cases: Mapping[tuple[str, str], str]) -> str:
    title, case = titles.get(custom_id.cell), cases.get((custom_id.cell, custom_id.case))
    if title is None:
        return "not used: its cell is not in this import: give the evals, backends and options of the export"
    if case is None:
        return f"not used: {title} no longer has this case"
    return f"not used: the prompt or the model of case {case} of {title} has changed since the export"


def _cases(cells: Sequence[Cell]) -> dict[tuple[str, str], str]:
    """Return (cell part, case part) of an id -> case id."""
    ids = {}
    for cell in cells:
        for case, request in cell.requests:
            custom_id = custom_id_of(cell, PlannedRequest(case, request, ""))
            ids[custom_id.cell, custom_id.case] = case.id
    return ids


def _check(cells: Sequence[Cell]) -> None:
    for cell in cells:
        if not supports_files(cell.backend):
            names = " and ".join(n for n in PROVIDERS.names() if provider_capabilities(n).request_files)
            msg = f"backend {cell.backend.name}: request files work with {names}, not with {cell.backend.provider}"
            raise ConfigError(msg)
    if len({cell.backend.name for cell in cells}) > 1:
        msg = "a file of requests is for one model: name one --backend"
        raise ConfigError(msg)
    if len({cell.task.embeds for cell in cells}) > 1:
        msg = "a file of requests is for one endpoint: name only embedding evals, or no embedding evals"
        raise ConfigError(msg)


class _NoTransport:
    """A transport without a server."""

    url = "nowhere"
    host = ""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        """Args: `secrets` are removed from messages."""
        self.secrets = secrets

    async def get(self, path: str) -> HTTPResponse:
        """Raise `TransportError`."""
        self._refuse(path)

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Raise `TransportError`."""
        del body
        self._refuse(path)

    async def close(self) -> None:
        """Do nothing: no connection is open."""

    def _refuse(self, path: str) -> NoReturn:
        msg = f"{path}: replies come from a file, there is no server"
        raise TransportError(msg)
