"""Read the error or the texts of responses."""

from __future__ import annotations

from harness.core.types import CallError, Response


def error_of(response: Response) -> CallError:
    assert response.error is not None
    assert response.text == ""
    assert "\n" not in response.error.message
    return response.error


def texts(responses: list[Response]) -> list[str]:
    assert [response.error for response in responses] == [None] * len(responses)
    return [response.text for response in responses]
