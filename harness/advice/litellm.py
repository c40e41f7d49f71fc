"""The same routes as a configuration of the LiteLLM proxy: a model of the task's name, and who answers if it does not.

YAML is written by hand: every string is in JSON's quotes, which YAML reads as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from harness.backends.http.errors import bad_url, shown_url
from harness.core.errors import ConfigError
from harness.project.config import BackendConfig, Config
from harness.project.routing import Routing, TaskRoute

PASSWORD_PREFIXES = {"hosted_vllm": "openai"}
"""By `hosted_vllm` LiteLLM sends a key in the place of an address's password; by `openai`, the same protocol, not."""
NO_KEY = "none"
"""Written where a server wants no key: without one LiteLLM would send OpenAI's (`OPENAI_API_KEY`) to any server."""
NO_PASSWORD = (
    '# the user and the password of this address are left out: set a variable to "Basic " and the base64 of',
    "# user:password, write its name below, and take the # away",
    '# extra_headers: {"Authorization": "os.environ/VARIABLE"}',
)
HEAD = "# LiteLLM proxy: litellm --config FILE. Ask for a task by its name as the model."


def dump(config: Config, routing: Routing, comments: Mapping[str, Sequence[str]]) -> str:
    """The file's text, always in the same order. A backend that runs inside the process that asks it is left out.

    LiteLLM's time-out is of one attempt, ours of the whole chain: it gets the whole. Keys are named, and passwords of
    addresses left out. Raises `ConfigError` for an address that is none.
    """
    lines = [HEAD, "model_list:"]
    fallbacks: dict[str, list[str]] = {}
    for task in sorted(routing.tasks):
        lines += [f"  # {text}" for text in comments.get(task, ())]
        names = [name for name in routing.backends(task) if config.backend(name).capabilities.litellm_prefix]
        left_out = [name for name in routing.backends(task) if name not in names]
        lines += [f"  # {name} runs inside the process that asks it: serve it by vLLM or Ollama" for name in left_out]
        for place, name in enumerate(names):
            called = task if place == 0 else f"{task}--{name}"
            lines += _model(config, called, config.backend(name), routing.tasks[task])
        if len(names) > 1:
            fallbacks[task] = [f"{task}--{name}" for name in names[1:]]
    if not any(line.startswith("  - ") for line in lines):
        lines[1] = "model_list: []"
    lines += ["litellm_settings:", "  num_retries: 1"]
    if fallbacks:
        lines += ["  fallbacks:", *(f"    - {_text(task)}: {_list(names)}" for task, names in fallbacks.items())]
    return "\n".join(lines) + "\n"


def _model(config: Config, name: str, backend: BackendConfig, route: TaskRoute) -> Iterator[str]:
    url = backend.base_url or backend.capabilities.default_url
    if url and (wrong := bad_url(url)):
        msg = f"{config.path or config.root}: base_url in [backends.{backend.name}] {wrong}"
        raise ConfigError(msg)
    has_password = "@" in urlsplit(url or "").netloc
    prefix = backend.capabilities.litellm_prefix
    if has_password:
        prefix = PASSWORD_PREFIXES.get(prefix, prefix)
    yield f"  - model_name: {_text(name)}"
    yield "    litellm_params:"
    yield f"      model: {_text(f'{prefix}/{backend.model}')}"
    if url:
        yield f"      api_base: {_text(shown_url(url))}"
    if has_password:
        yield from (f"      {line}" for line in NO_PASSWORD)
    if key := _key(backend):
        yield f"      api_key: {_text(key)}"
    yield f"      timeout: {route.deadline_s:g}"
    yield "      temperature: 0"


def _key(backend: BackendConfig) -> str:
    """The key as LiteLLM reads it: the name of its variable. OpenAI's own is never sent to another server."""
    if backend.api_key_env:
        return f"os.environ/{backend.api_key_env}"
    if backend.key_variable is None:
        return NO_KEY
    # LiteLLM reads an optional key (OLLAMA_API_KEY) by itself where it is set, as our own backend does
    return f"os.environ/{backend.key_variable}" if backend.capabilities.needs_key else ""


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, names))}]"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)
