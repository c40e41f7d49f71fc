"""Providers are found by their file names, and their keys in harness.toml are checked before any request."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import backends
from harness.backends import Backend
from harness.core.errors import ConfigError
from harness.project import config

from ..support.backend_calls import configured


def checked(tmp_path: Path, *lines: str, provider: str = "openai") -> None:
    path = tmp_path / "harness.toml"
    path.write_text("\n".join(["[backends.mine]", f'provider = "{provider}"', 'model = "m"', 'variant = "v"', *lines]))
    backends.check(config.load(tmp_path))


def test_every_provider_file_is_found_by_name() -> None:
    assert backends.provider_names() == ["llamacpp", "ollama", "openai", "replay", "vllm"]


@pytest.mark.parametrize("provider", ["llamacpp", "ollama", "openai", "vllm"])
def test_connect_sends_nothing(provider: str) -> None:
    backend = backends.connect(configured(provider, "http://127.0.0.1:1/v1"))
    assert isinstance(backend, Backend)
    assert backend.concurrency >= 1
    assert backend.exclusive == (provider == "llamacpp")
    assert backend.warm_up


def test_an_unknown_provider_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"harness.toml: \[backends.mine\] unknown provider 'olama' \(did you mean 'ollama'"
    ):
        checked(tmp_path, provider="olama")


@pytest.mark.parametrize("provider", ["llamacpp", "ollama", "openai", "vllm"])
def test_unknown_key_gets_the_nearest_known_key(tmp_path: Path, provider: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'timeout' in \[backends.mine\] \(did you mean 'timeout_s'\?\)"):
        checked(tmp_path, "timeout = 5", provider=provider)


def test_a_key_of_another_provider_is_unknown(tmp_path: Path) -> None:
    checked(tmp_path, "num_ctx = 4096", provider="ollama")
    with pytest.raises(ConfigError, match="unknown key 'num_ctx'"):
        checked(tmp_path, "num_ctx = 4096", provider="openai")


@pytest.mark.parametrize(
    ("line", "provider", "says"),
    [
        ('num_ctx = "4096"', "ollama", "num_ctx"),
        ("n_ctx = 1", "llamacpp", "n_ctx"),
        ('reproducible = "yes"', "llamacpp", "reproducible"),
        ('pooling = "max"', "llamacpp", "mean"),
        ('structured = "yes"', "vllm", "structured_outputs"),
        ('omit = ["temprature"]', "openai", "temperature"),
        ('max_tokens_parameter = "max"', "openai", "max_completion_tokens"),
    ],
)
def test_wrong_value_names_file_line_and_key(tmp_path: Path, line: str, provider: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"harness.toml:5: .*{says}"):
        checked(tmp_path, line, provider=provider)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "", "http://", "http://host:port", "ftp://host", "http://[::1", "http://me:secret@h:x"]
)
@pytest.mark.parametrize("provider", ["ollama", "openai", "vllm"])
def test_invalid_address_is_reported_and_not_repeated(tmp_path: Path, url: str, provider: str) -> None:
    with pytest.raises(ConfigError, match=r"base_url in \[backends.mine\] expected http://host:port") as caught:
        checked(tmp_path, f'base_url = "{url}"', provider=provider)
    assert "secret" not in str(caught.value)


def test_toml_array_fits_tuple_options(tmp_path: Path) -> None:
    checked(tmp_path, 'omit = ["temperature", "seed"]', 'max_tokens_parameter = "max_completion_tokens"')


def test_vllm_accepts_the_keys_of_openai(tmp_path: Path) -> None:
    checked(tmp_path, 'structured = "guided"', 'omit = ["seed"]', provider="vllm")
    with pytest.raises(ConfigError, match="unknown key 'structured'"):
        checked(tmp_path, 'structured = "guided"', provider="openai")
