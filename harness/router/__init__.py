"""Route production calls to backends, with fallback, and log them.

May import report, tasks and everything below them.
Never here: evaluation, gates.

    async with ModelRouter.from_file("routing.toml") as router:
        reply = await router.chat.completions.create(task="ticket_triage", messages=[…])   # like the OpenAI SDK
        answer = await router.ask("ticket_triage", text="I was charged twice")             # prompt and contract too

    _model_router       ModelRouter, the public class
    _target_pool        all backends of routing.toml: start, probes, log
    _target             one backend: client, price, probes
    _circuit_breaker    when a backend gets no calls
    _fallback           one call through its targets: fallback, retries, hedging
    _eval_request       `router.ask`: render the prompt, read the reply
    _chat_completions   `router.chat.completions.create`
    _routed_stream      a streamed reply
    _openai_client      the OpenAI SDK's client for each provider
    _sdk_errors         SDK exceptions and malformed replies as `CallError`
    _traffic_log        the log of routed calls, written by its own thread

docs/routing.md explains every key of `routing.toml`.
"""

from __future__ import annotations

from harness.router._eval_request import Answer
from harness.router._model_router import ModelRouter
from harness.router._routed_stream import RoutedStream

__all__ = ["Answer", "ModelRouter", "RoutedStream"]
