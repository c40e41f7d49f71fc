"""Render routes as a configuration of the LiteLLM proxy: a model per task, and its fallbacks.

PyYAML cannot write comments, so it writes one entry at a time and the comments go between the entries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any
from urllib.parse import urlsplit

from harness.backends.http.errors import bad_url, shown_url
from harness.core.errors import ConfigError
from harness.core.toml import comment
from harness.project.config import BackendConfig, Config
from harness.project.routing import Routing, TaskRoute

PASSWORD_PREFIXES = {"hosted_vllm": "openai"}
"""For `hosted_vllm`, LiteLLM sends the key instead of the address's password; for `openai`, the same protocol, not."""
NO_KEY = "none"
"""The key for servers that need none. Without it, LiteLLM would send `OPENAI_API_KEY` to them."""
NO_PASSWORD = (
    '# user and password of this address are left out: set a variable to "Basic " and the base64 of',
    "# user:password, write the name of the variable below, and remove the #",
    '# extra_headers: {"Authorization": "os.environ/VARIABLE"}',
)
HEAD = "# LiteLLM proxy: litellm --config FILE. Ask for a task by its name as the model."


def dump(config: Config, routing: Routing, comments: Mapping[str, Sequence[str]]) -> str:
    """Render the file, tasks in alphabetical order. Backends that run inside the calling process are left out.

    A route's deadline covers the whole chain. LiteLLM's timeout covers one attempt, and is set to the deadline. Keys
    appear by the name of their variable, passwords never.

    Raises:
        ConfigError: An address is not valid.
    """
    entries: list[str] = []
    fallbacks: dict[str, list[str]] = {}
    for task in sorted(routing.tasks):
        entries += [f"  {comment(text)}\n" for text in comments.get(task, ())]
        names = [name for name in routing.backends(task) if config.backend(name).capabilities.litellm_prefix]
        left_out = [name for name in routing.backends(task) if name not in names]
        inside = "runs inside the calling process. Serve it with vLLM or Ollama"
        entries += [f"  {comment(f'{name} {inside}')}\n" for name in left_out]
        for place, name in enumerate(names):
            model_name = task if place == 0 else f"{task}--{name}"
            entries.append(_model(config, model_name, config.backend(name), routing.tasks[task]))
        if len(names) > 1:
            fallbacks[task] = [f"{task}--{name}" for name in names[1:]]
    has_models = any(entry.startswith("  - ") for entry in entries)
    settings: dict[str, Any] = {"num_retries": 1}
    if fallbacks:
        settings["fallbacks"] = [{task: names} for task, names in fallbacks.items()]
    models = "model_list:\n" if has_models else "model_list: []\n"
    return f"{HEAD}\n{models}{''.join(entries)}{_yaml({'litellm_settings': settings})}"


def _model(config: Config, name: str, backend: BackendConfig, route: TaskRoute) -> str:
    """One entry of `model_list`."""
    url = backend.base_url or backend.capabilities.default_url
    if url and (wrong := bad_url(url)):
        msg = f"{config.path or config.root}: base_url in [backends.{backend.name}] {wrong}"
        raise ConfigError(msg)
    has_password = "@" in urlsplit(url or "").netloc
    prefix = backend.capabilities.litellm_prefix
    if has_password:
        prefix = PASSWORD_PREFIXES.get(prefix, prefix)
    parameters: dict[str, Any] = {"model": f"{prefix}/{backend.model}"}
    if url:
        parameters["api_base"] = shown_url(url)
    if key := _key(backend):
        parameters["api_key"] = key
    parameters |= {"timeout": route.deadline_s, "temperature": 0}
    entry = indent(_yaml([{"model_name": name, "litellm_params": parameters}]), "  ")
    return entry + "".join(f"      {line}\n" for line in NO_PASSWORD if has_password)


def _yaml(value: Any) -> str:
    """Return `value` in block style, each string on one line, so that the text can be indented."""
    import yaml  # 90 ms, and only this format needs it

    class Dumper(yaml.SafeDumper):
        """Quotes strings with line breaks, which PyYAML would fold over several lines."""

        def represent_line(self, text: str) -> yaml.ScalarNode:
            style = None if text.isprintable() else '"'
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, Dumper.represent_line)
    written: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, width=math.inf)
    return written


def _key(backend: BackendConfig) -> str:
    """The key's variable, as LiteLLM refers to it. OpenAI's key is never sent to another server."""
    if backend.api_key_env:
        return f"os.environ/{backend.api_key_env}"
    if backend.key_variable is None:
        return NO_KEY
    # LiteLLM reads an optional key (OLLAMA_API_KEY) by itself if it is set, as our own backend does.
    return f"os.environ/{backend.key_variable}" if backend.capabilities.needs_key else ""
