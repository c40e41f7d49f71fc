"""Data types of an eval, all frozen.

    Case + variant -> Request -> Response -> Reading -> Result; a Manifest and its Results are a Run.

This module imports nothing of the harness. docs/words.md explains the terms.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Role = Literal["system", "user", "assistant"]
Decoding = Literal["free", "constrained"]
JSON = Any
"""A value that `json.loads` can return."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

_SORTED = json.JSONEncoder(ensure_ascii=True, sort_keys=True, default=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a golden dataset.

    `digest`: hash of the contents, independent of the place in the file. `cluster`: cases with the same name are not
    independent, such as the tickets of one customer; empty for a case on its own. It is not part of the digest.
    """

    id: str
    inputs: Mapping[str, JSON]
    expected: JSON
    tags: tuple[str, ...] = ()
    split: str = ""
    label_source: str = ""
    digest: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Every parameter that changes a reply. Always sent, so that no server's default applies."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int | None = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint on decoding: the reply is one of `choices`, or JSON of a `schema`."""

    choices: tuple[str, ...] = ()
    schema: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a backend: rendered messages and sampling parameters.

    `repeat` distinguishes repeats of the same request. `tools`: functions that the model may call, in the format of the
    OpenAI protocol. `embed`: requests the vector of the only message's text instead of a reply.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    repeat: int = 0
    tools: tuple[Mapping[str, JSON], ...] = ()
    constraint: Constraint | None = None
    embed: bool = False

    @property
    def key(self) -> str:
        """Hash of everything in the request. The backend is not part of it."""
        turns = [[message.role, message.content] for message in self.messages]
        parts: list[Any] = [turns, [getattr(self.sampling, name) for name in Sampling.__slots__], self.repeat]
        if self.tools or self.constraint or self.embed:
            constraint = self.constraint and [self.constraint.choices, self.constraint.schema]
            parts += [self.tools, constraint, self.embed]
        return hashlib.sha256(_SORTED.encode(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CallError:
    """The error of one failed call. A failed call is counted apart and is never a wrong answer.

    `kind`: timeout, connection, rate_limit, server, bad_request, bad_reply, too_large, not_recorded.
    """

    kind: str
    message: str
    status: int | None = None
    retryable: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A backend's reply, or its `error`.

    `latency_s`: wall time of the successful attempt, without waits and without the time to load the model.
    `tool_calls`: calls in the format of the OpenAI protocol, with their arguments as JSON text, for every provider.
    `vector`: the result of an embedding request. `prompt_s`, `generation_s`: the server's own times for reading the
    prompt and writing the reply, if it reports them. `first_token`: the likeliest first tokens of the reply with their
    natural log-probabilities, if the server reports them.
    """

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    load_s: float | None = None
    prompt_s: float | None = None
    generation_s: float | None = None
    refusal: str | None = None
    tool_calls: tuple[Mapping[str, JSON], ...] = ()
    vector: tuple[float, ...] = ()
    model: str = ""
    error: CallError | None = None
    first_token: tuple[tuple[str, float], ...] = ()

    @property
    def truncated(self) -> bool:
        """True if the reply was cut off at `max_tokens`."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reply, read under a contract.

    `strict`: the value that production code gets, `None` if the raw reply breaks the contract. `lenient`: the value
    that a careful person would read, `None` in case of doubt. `violations`: codes of `contracts.codes`.
    """

    strict: JSON
    lenient: JSON
    compliant: bool
    violations: tuple[str, ...] = ()
    reasoning: str | None = None


class FieldCounts(NamedTuple):
    """Counts for a field of a record: right, wrong, missed, and invented (a value although none is expected)."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    invented: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """Whether a reply is right, by the strict and by the lenient reading.

    `fields`: for answers with several fields, name -> counts of the strict and of the lenient reading.
    `measures`: graded scores of the lenient reading, name -> value for this case, `None` if a score does not apply.
    """

    strict: bool
    lenient: bool
    fields: Mapping[str, tuple[FieldCounts, FieldCounts]] = field(default_factory=dict)
    measures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one case of a run. `reading` and `score` are `None` if the call failed."""

    case: Case
    response: Response
    reading: Reading | None
    score: Score | None
    request_key: str
    repeat: int = 0
    attempts: int = 1
    cached: bool = False
    answered_at: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model that a backend serves. Fields that the server does not report are empty. `size`: in bytes."""

    model: str
    digest: str = ""
    quantization: str = ""
    parameters: str = ""
    engine: str = ""
    engine_version: str = ""
    note: str = ""
    size: int | None = None


def cell_name(variant: str, backend: str, decoding: Decoding) -> str:
    """Name of a cell: `variant@backend`, with `+constrained` if decoding is constrained."""
    return f"{variant}@{backend}" + ("" if decoding == "free" else f"+{decoding}")


class RunOrigin(StrEnum):
    """Source of a run's replies and scores."""

    ASKED = "asked"
    """The engine sent the requests to a backend."""
    IMPORTED = "imported"
    """Another tool made the run; `harness import` read its file."""
    RESCORED = "rescored"
    """The replies of an earlier run, scored again under a newer contract."""
    REPLAYED = "replayed"
    """The replies come from a saved run or a recording: `--backend replay:...`."""
    RECORDED = "recorded"
    """The replies come from a recording that a backend of harness.toml names."""
    JUDGED = "judged"
    """A judge model read the replies of another run: `harness judge`."""

    @property
    def when_rescored(self) -> RunOrigin:
        """Origin of a run with rescored replies: an imported, replayed or judged run keeps its own."""
        return RunOrigin.RESCORED if self is RunOrigin.ASKED else self


OWN_ORIGINS = frozenset({RunOrigin.ASKED, RunOrigin.IMPORTED, RunOrigin.RESCORED, RunOrigin.RECORDED})
"""Origins of runs that belong to a cell's history. A replay adds no new replies; a judge has no dataset of its own."""


class Billing(StrEnum):
    """Price list for the requests of a run."""

    STANDARD = "standard"
    BATCH = "batch"
    """Half the standard price: the requests went through a batch API or a request file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Metadata of a run, without its results. Two runs are comparable if their `fingerprint` is equal.

    `limit`: the number of cases of a sample; `None` for a whole run. `until_decided`: the run sent the cases
    in random order and stopped when a verdict was proven. Its verdicts need intervals that allow for many looks.
    `selection`: how the user selected the cases of a sample, such as `case:t-1` or `tag:hard`; empty otherwise.
    """

    run_id: str
    eval: str
    task: str
    variant: str
    backend: str
    prompt: str
    dataset: str
    split: str
    limit: int | None
    labels: tuple[str, ...]
    n_cases: int
    started_at: str
    fingerprint: Mapping[str, str]
    finished_at: str | None = None
    cold_start_s: float | None = None
    wall_s: float | None = None
    notes: tuple[str, ...] = ()
    decoding: Decoding = "free"
    repeats: int = 1
    model_bytes: int | None = None
    tags: tuple[str, ...] = ()
    origin: RunOrigin = RunOrigin.ASKED
    billing: Billing = Billing.STANDARD
    until_decided: bool = False
    selection: tuple[str, ...] = ()

    @property
    def cell(self) -> str:
        """`variant@backend`, with `+constrained` if decoding was constrained."""
        return cell_name(self.variant, self.backend, self.decoding)


@dataclass(frozen=True, slots=True)
class Run:
    """One cell over one dataset. `results`: by case id and repeat; a large number is read from the store on access."""

    manifest: Manifest
    results: Sequence[Result] = field(default=())


class Tally(NamedTuple):
    """Counts of a run's outcomes.

    `cases`: (replies, strictly right, leniently right, compliant) of a case -> number of such cases.
    `failed`: number of failed calls, which `cases` does not include.
    """

    cases: Mapping[tuple[int, int, int, int], int]
    failed: int
