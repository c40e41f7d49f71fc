"""Errors carry their backend as a field; the message is composed where it is shown."""

import pickle

import pytest

from harness.core.errors import BackendError, BackendUnavailable, ConfigError


@pytest.mark.parametrize("kind", [BackendError, BackendUnavailable])
def test_backend_error_shows_its_backend_once(kind):
    error = kind("no key", backend="gpt")
    assert (str(error), error.message, error.backend) == ("backend gpt: no key", "no key", "gpt")


def test_backend_error_without_backend_is_its_message():
    assert str(BackendError("no model file")) == BackendError("no model file").message == "no model file"


def test_message_of_other_errors_is_the_whole_text():
    assert ConfigError("a.toml:3: unknown key").message == "a.toml:3: unknown key"


def test_backend_error_keeps_its_fields_when_pickled():
    error = pickle.loads(pickle.dumps(BackendError("slow", backend="gpt", kind="timeout")))
    assert (error.message, error.backend, error.kind) == ("slow", "gpt", "timeout")
