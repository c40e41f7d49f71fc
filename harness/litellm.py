"""The same routes as a configuration of the LiteLLM proxy: a model of the task's name, and who answers if it does not.

YAML is written by hand: every string is in JSON's quotes, which YAML reads as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from harness.config import BackendConfig, Config
from harness.routing import Routing, TaskRoute

PREFIXES = {"openai": "openai", "vllm": "hosted_vllm", "ollama": "ollama_chat"}
"""How LiteLLM calls our providers."""
_URLS = {"vllm": "http://localhost:8000/v1", "ollama": "http://localhost:11434"}
HEAD = "# LiteLLM proxy: litellm --config FILE. Ask for a task by its name as the model."


def dump(config: Config, routing: Routing, comments: Mapping[str, Sequence[str]]) -> str:
    """The file's text, always in the same order. A backend that runs inside the process that asks it is left out.

    LiteLLM's time-out is of one attempt, ours of the whole chain: it gets the whole.
    """
    lines = [HEAD, "model_list:"]
    fallbacks: dict[str, list[str]] = {}
    for task in sorted(routing.tasks):
        lines += [f"  # {text}" for text in comments.get(task, ())]
        names = [name for name in routing.backends(task) if config.backend(name).provider in PREFIXES]
        left_out = [name for name in routing.backends(task) if name not in names]
        lines += [f"  # {name} runs inside the process that asks it: serve it by vLLM or Ollama" for name in left_out]
        for place, name in enumerate(names):
            called = task if place == 0 else f"{task}--{name}"
            lines += _model(called, config.backend(name), routing.tasks[task])
        if len(names) > 1:
            fallbacks[task] = [f"{task}--{name}" for name in names[1:]]
    if not any(line.startswith("  - ") for line in lines):
        lines[1] = "model_list: []"
    lines += ["litellm_settings:", "  num_retries: 1"]
    if fallbacks:
        lines += ["  fallbacks:", *(f"    - {_text(task)}: {_list(names)}" for task, names in fallbacks.items())]
    return "\n".join(lines) + "\n"


def _model(name: str, backend: BackendConfig, route: TaskRoute) -> Iterator[str]:
    yield f"  - model_name: {_text(name)}"
    yield "    litellm_params:"
    yield f"      model: {_text(f'{PREFIXES[backend.provider]}/{backend.model}')}"
    if url := backend.base_url or _URLS.get(backend.provider):
        yield f"      api_base: {_text(url)}"
    if backend.provider == "openai":
        yield f"      api_key: {_text('os.environ/' + (backend.api_key_env or 'OPENAI_API_KEY'))}"
    yield f"      timeout: {route.deadline_s:g}"
    yield "      temperature: 0"


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, names))}]"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)
