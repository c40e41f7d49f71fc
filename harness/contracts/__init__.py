"""What a reply must look like for production code to accept it as is. One kind of contract, one file."""

from __future__ import annotations

from typing import Protocol

from harness.types import Reading, Response


class Contract(Protocol):
    """Reads replies. Two contracts with the same `id` and settings read every reply alike."""

    @property
    def id(self) -> str:
        """Kind and version of the rules: `label/1`."""
        ...

    def read(self, response: Response) -> Reading:
        """What to make of one reply. Never raises, whatever the model said."""
        ...
