"""`router.ask`: render the prompt variant of the target, and read its reply under the eval's contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from harness.core.errors import ConfigError
from harness.core.toml import at
from harness.core.types import JSON, NOTHING, CallError, Case, Reading, Request, Response
from harness.project.evals import Eval
from harness.project.prompts import Prompt, PromptLibrary
from harness.router._fallback import FallbackCall
from harness.router._sdk_errors import TargetFailed
from harness.router._target import Target
from harness.tasks import task_of

RETRY_TEMPERATURE = 0.5
"""Temperature of the second request if the first had 0, where a model would repeat its reply."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of `router.ask`.

    Attributes:
        value: The strict value, else the lenient value, else `None`.
        reading: Both values and the contract violations.
        response: The reply as the backend sent it.
        backend: The backend that answered.
        variant: The prompt variant it was sent.
        usd: Cost of all attempts; `None` if the cost of one is unknown.
        latency_s: Seconds that the caller waited, all attempts included.
        fallback: Why the first backend did not answer; "" if it did.
        attempts: Number of requests sent.

    """

    value: JSON
    reading: Reading
    response: Response
    backend: str
    variant: str
    usd: float | None
    latency_s: float
    fallback: str
    attempts: int


class TaskSpec:
    """The eval behind a routed task: prompt, sampling, decoding constraint, contract."""

    def __init__(self, definition: Eval, library: PromptLibrary) -> None:
        """Raises `ConfigError` if the eval or its prompt is invalid."""
        self.definition = definition
        self.task = task_of(definition)
        self.prompt: Prompt = library.load(definition.prompt)
        chosen = {name: value for name, value in definition.sampling if value is not None}
        self.sampling = replace(self.task.sampling, **chosen)
        self.constraint = self.task.constraint if definition.decoding[0] == "constrained" else None
        self.digests = {name: variant.digest for name, variant in self.prompt.variants.items()}

    def is_label(self, value: JSON) -> bool:
        """Return whether `value` is a label of the task, and so contains no customer text."""
        return isinstance(value, str) and value in self.task.labels

    def check(self, target: Target, path: Path) -> None:
        """Raise `ConfigError` if `target` cannot serve this task."""
        self.prompt.variant(target.config.variant)
        service = "embeddings" if self.task.embeds else "chat"
        if service not in target.config.serves:
            msg = (
                f"{at(path, ('tasks', self.definition.name, 'tiers'))}{self.definition.name} needs {service}, which "
                f"backend {target.name} does not serve. If it does, add to harness.toml: "
                f'[backends.{target.name}] serves = ["{service}"]'
            )
            raise ConfigError(msg)

    def request(self, variant: str, inputs: Mapping[str, JSON]) -> Request:
        """Return the request for a backend of this prompt variant.

        Raises `PromptError` if the prompt does not render with `inputs`.
        """
        case = Case("", inputs, NOTHING)  # `expected` is set: an embedding case without it would be a passage
        variables = self.task.variables(case)
        if clashing := [name for name in inputs if variables[name] is not inputs[name]]:
            msg = f"task {self.definition.name}: input {clashing[0]!r} has the name of a variable that the task sets"
            raise ConfigError(msg)
        messages = self.prompt.variant(variant).render(variables)
        return Request(messages, self.sampling, 0, self.task.tools(case), self.constraint, self.task.embeds)


class ReadReply(NamedTuple):
    """A response and its reading."""

    response: Response
    reading: Reading


class EvalRequest:
    """A `FallbackRequest` that renders an eval's prompt and reads the reply."""

    streams = False

    def __init__(self, spec: TaskSpec, inputs: Mapping[str, JSON], *, escalate: bool) -> None:
        """Args: `escalate` sends a second request, then tries the next target, if no answer can be read."""
        self._spec = spec
        self._inputs = inputs
        self._escalate = escalate
        self._requests: dict[str, Request] = {}
        self.max_tokens = spec.sampling.max_tokens

    def chars(self, target: Target) -> int:
        """Return the length of the rendered prompt for `target`, in characters."""
        return sum(len(message.content) for message in self._request(target.config.variant).messages)

    async def send(self, target: Target, call: FallbackCall[ReadReply]) -> ReadReply:
        """Return the reply of `target`; with `escalate`, only a reply with an answer in it."""
        request = self._request(target.config.variant)
        reply = await self._read_reply(target, call, request)
        if not self._escalate or _has_answer(reply):
            return reply
        seed, temperature = request.sampling.seed, request.sampling.temperature or RETRY_TEMPERATURE
        sampling = replace(request.sampling, seed=None if seed is None else seed + 1, temperature=temperature)
        call.attempts += 1
        reply = await self._read_reply(target, call, replace(request, repeat=1, sampling=sampling))
        if _has_answer(reply):
            return reply
        broken = ", ".join(reply.reading.violations) or "no answer"
        raise TargetFailed(CallError("contract", f"two requests, no reply with an answer ({broken})"))

    async def discard(self, reply: ReadReply, call: FallbackCall[ReadReply]) -> None:
        """Do nothing: a complete reply holds no connection."""

    async def _read_reply(self, target: Target, call: FallbackCall[ReadReply], request: Request) -> ReadReply:
        response = await target.backend.complete(request)
        if response.error is not None:
            raise TargetFailed(response.error)
        call.add_cost(target.usd(response.prompt_tokens, response.completion_tokens))
        return ReadReply(response, self._spec.task.contract.read(response))

    def _request(self, variant: str) -> Request:
        """Render once per variant, whatever the number of targets."""
        if variant not in self._requests:
            self._requests[variant] = self._spec.request(variant, self._inputs)
        return self._requests[variant]


def _has_answer(reply: ReadReply) -> bool:
    return reply.reading.compliant or reply.reading.lenient is not None
