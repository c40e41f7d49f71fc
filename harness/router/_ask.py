"""`router.ask`: the right prompt for whoever is asked, and the reply read under the contract."""

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
from harness.router._chain import FallbackCall
from harness.router._faults import TargetFailed
from harness.router._member import Target
from harness.tasks import task_of

AGAIN_TEMPERATURE = 0.5
"""Asked once more at temperature 0 a model would say the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question.

    `value` is the strict value, else the lenient one, else `None`: the reading says which and why. `backend` and
    `variant` say who answered what. `usd` is for all attempts, `None` where one of them did not tell. `latency_s` is
    what the caller has waited, `fallback` why it was not the first backend ("" where it was).
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
    """One task of the routing: its eval, ready to be asked."""

    def __init__(self, definition: Eval, library: PromptLibrary) -> None:
        """Raises `ConfigError` for whatever is wrong with the eval or its prompt."""
        self.definition = definition
        self.task = task_of(definition)
        self.prompt: Prompt = library.load(definition.prompt)
        chosen = {name: value for name, value in definition.sampling if value is not None}
        self.sampling = replace(self.task.sampling, **chosen)
        self.constraint = self.task.constraint if definition.decoding[0] == "constrained" else None
        self.digests = {name: variant.digest for name, variant in self.prompt.variants.items()}

    def is_label(self, value: JSON) -> bool:
        """Whether a value is one of a list, and so tells nothing of what a customer wrote."""
        return isinstance(value, str) and value in self.task.labels

    def check(self, member: Target, path: Path) -> None:
        """Raise `ConfigError` where a backend cannot serve this task."""
        self.prompt.variant(member.config.variant)
        service = "embeddings" if self.task.embeds else "chat"
        if service not in member.config.serves:
            msg = (
                f"{at(path, ('tasks', self.definition.name, 'tiers'))}{self.definition.name} needs {service}, which "
                f"backend {member.name} does not serve: if it does, say so in harness.toml: "
                f'[backends.{member.name}] serves = ["{service}"]'
            )
            raise ConfigError(msg)

    def request(self, variant: str, inputs: Mapping[str, JSON]) -> Request:
        """What a backend is asked that `variant` is tuned for; raises `PromptError` for inputs that do not fit."""
        case = Case("", inputs, NOTHING)  # something is expected of it: without, it would be a passage to be searched
        variables = self.task.variables(case)
        if hidden := [name for name in inputs if variables[name] is not inputs[name]]:
            msg = f"task {self.definition.name}: input {hidden[0]!r} has the name of a variable that the task gives"
            raise ConfigError(msg)
        messages = self.prompt.variant(variant).render(variables)
        return Request(messages, self.sampling, 0, self.task.tools(case), self.constraint, self.task.embeds)


class ReadReply(NamedTuple):
    """A response, read."""

    response: Response
    reading: Reading


class EvalRequest:
    """A job for the chain."""

    streams = False

    def __init__(self, work: TaskSpec, inputs: Mapping[str, JSON], *, escalate: bool) -> None:
        """`escalate`: ask once more, and then the next backend, where no answer can be read."""
        self._work = work
        self._inputs = inputs
        self._escalate = escalate
        self._requests: dict[str, Request] = {}
        self.max_tokens = work.sampling.max_tokens

    def chars(self, member: Target) -> int:
        """The size of the prompt in the variant of `member`."""
        return sum(len(message.content) for message in self._request(member.config.variant).messages)

    async def ask(self, member: Target, chain: FallbackCall[ReadReply]) -> ReadReply:
        """One reply that can be read, if `escalate`; otherwise one reply."""
        request = self._request(member.config.variant)
        reply = await self._once(member, chain, request)
        if not self._escalate or _has_answer(reply):
            return reply
        seed, temperature = request.sampling.seed, request.sampling.temperature or AGAIN_TEMPERATURE
        other = replace(request.sampling, seed=None if seed is None else seed + 1, temperature=temperature)
        chain.attempts += 1
        reply = await self._once(member, chain, replace(request, repeat=1, sampling=other))
        if _has_answer(reply):
            return reply
        broken = ", ".join(reply.reading.violations) or "no answer"
        raise TargetFailed(CallError("contract", f"asked twice, no reply keeps the contract ({broken})"))

    async def drop(self, answer: ReadReply, chain: FallbackCall[ReadReply]) -> None:
        """A reply holds nothing."""

    async def _once(self, member: Target, chain: FallbackCall[ReadReply], request: Request) -> ReadReply:
        response = await member.backend.complete(request)
        if response.error is not None:
            raise TargetFailed(response.error)
        chain.spend(member.usd(response.prompt_tokens, response.completion_tokens))
        return ReadReply(response, self._work.task.contract.read(response))

    def _request(self, variant: str) -> Request:
        """Rendered once for all backends of a variant."""
        if variant not in self._requests:
            self._requests[variant] = self._work.request(variant, self._inputs)
        return self._requests[variant]


def _has_answer(reply: ReadReply) -> bool:
    return reply.reading.compliant or reply.reading.lenient is not None
