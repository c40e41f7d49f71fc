"""The nouns, frozen. Data flows one way through them.

    Case + variant -> Request -> Response -> Reading -> Result; a Manifest and its Results are a Run.

Nothing here imports anything of the harness. What a word means is in docs/words.md.
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
    """One row of a golden dataset. `digest` hashes what was asked and expected, not where it stood in the file."""

    id: str
    inputs: Mapping[str, JSON]
    expected: JSON
    tags: tuple[str, ...] = ()
    split: str = ""
    label_source: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Every parameter that changes what a model says. Sent explicitly, so that no server's default decides."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int | None = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a server is told to let through while it decodes: one of `choices`, or JSON of a `schema`."""

    choices: tuple[str, ...] = ()
    schema: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a backend is asked: the rendered messages and how to sample.

    `repeat` keeps answers to the same apart. `tools`: functions that the model may call, in the shape of the OpenAI
    protocol. `embed`: asks for the vector of the only message's text instead of a reply.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    repeat: int = 0
    tools: tuple[Mapping[str, JSON], ...] = ()
    constraint: Constraint | None = None
    embed: bool = False

    @property
    def key(self) -> str:
        """Hash of all that decides the answer, but for who is asked."""
        turns = [[message.role, message.content] for message in self.messages]
        parts: list[Any] = [turns, [getattr(self.sampling, name) for name in Sampling.__slots__], self.repeat]
        if self.tools or self.constraint or self.embed:
            constraint = self.constraint and [self.constraint.choices, self.constraint.schema]
            parts += [self.tools, constraint, self.embed]
        return hashlib.sha256(_SORTED.encode(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CallError:
    """Why one call failed. It is counted and shown, and is never a wrong answer.

    `kind`: timeout, connection, rate_limit, server, bad_request, bad_reply, too_large, not_recorded.
    """

    kind: str
    message: str
    status: int | None = None
    retryable: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. `latency_s` is the wall time of the call that answered, without waiting or loading the model.

    `tool_calls` have the shape of the OpenAI protocol, their arguments as the JSON text that the server sent, whatever
    the provider. `vector` is what an embedding request gets. `prompt_s` and `generation_s` are the server's own times
    of reading the prompt and of writing the reply, where its protocol tells them.
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

    @property
    def truncated(self) -> bool:
        """The model was cut off at `max_tokens`."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a contract makes of one reply.

    `strict` is the value production code gets, `None` if the raw reply breaks the contract; `lenient` the value a
    careful reader has no doubt about, `None` if there is doubt. `violations` are codes of `contracts.codes`.
    """

    strict: JSON
    lenient: JSON
    compliant: bool
    violations: tuple[str, ...] = ()
    reasoning: str | None = None


class FieldCounts(NamedTuple):
    """One field of one record: found right, found wrong, not found; and given although there is none to give."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    invented: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """Right or wrong, twice: as production code sees the reply and as a careful reader does.

    `fields` has the same in parts, where the answer has parts: name -> counts of the strict and of the lenient reading.
    `measures` are degrees of right, of the lenient reading: name -> value of this case, `None` if it does not apply.
    """

    strict: bool
    lenient: bool
    fields: Mapping[str, tuple[FieldCounts, FieldCounts]] = field(default_factory=dict)
    measures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One case of a run: asked, answered, read, scored. `reading` and `score` are `None` if the call failed."""

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
    """What a backend says it is serving, as far as its protocol tells; empty: it does not. `size` in bytes."""

    model: str
    digest: str = ""
    quantization: str = ""
    parameters: str = ""
    engine: str = ""
    engine_version: str = ""
    note: str = ""
    size: int | None = None


def cell_name(variant: str, backend: str, decoding: Decoding) -> str:
    """What a cell is called on every screen."""
    return f"{variant}@{backend}" + ("" if decoding == "free" else f"+{decoding}")


class RunOrigin(StrEnum):
    """Source of a run's replies and scores."""

    ASKED = "asked"
    """The engine sent the requests to a backend."""
    IMPORTED = "imported"
    """Another tool made the run; `harness import` read its file."""
    RESCORED = "rescored"
    """The replies of an asked run, scored again under a newer contract."""
    REPLAYED = "replayed"
    """The replies come from a saved run or a recording: `--backend replay:...`."""
    JUDGED = "judged"
    """A judge model read the replies of another run: `harness judge`."""

    @property
    def when_rescored(self) -> RunOrigin:
        """Origin of a run with rescored replies: an imported, replayed or judged run keeps its own."""
        return RunOrigin.RESCORED if self is RunOrigin.ASKED else self


OWN_ORIGINS = frozenset({RunOrigin.ASKED, RunOrigin.IMPORTED, RunOrigin.RESCORED})
"""Origins of runs that belong to a cell's history. A replay adds no new replies; a judge has no dataset of its own."""


class Billing(StrEnum):
    """Price list for the requests of a run."""

    STANDARD = "standard"
    BATCH = "batch"
    """Half the standard price: the requests went through a batch API or a request file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Metadata of a run, without its results. Two runs are comparable if their `fingerprint` is equal."""

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

    @property
    def cell(self) -> str:
        """`variant@backend`, with `+constrained` if decoding was constrained."""
        return cell_name(self.variant, self.backend, self.decoding)


@dataclass(frozen=True, slots=True)
class Run:
    """One cell over one dataset. `results`: by case id and repeat; very many are read when they are looked at."""

    manifest: Manifest
    results: Sequence[Result] = field(default=())


class Tally(NamedTuple):
    """The outcomes of a run, counted. `cases`: how many have been (asked, strict, lenient, compliant) so often each.

    What failed is in `failed` only, as calls.
    """

    cases: Mapping[tuple[int, int, int, int], int]
    failed: int
