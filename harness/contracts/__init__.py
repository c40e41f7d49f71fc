"""Read replies: strictly, as production code parses them, and leniently, as a careful person does.

May import core only.
Never here: model calls, files, scores.
"""

from __future__ import annotations

from typing import Protocol

from harness.core.types import Reading, Response


class Contract(Protocol):
    """Reads replies. Two contracts with the same `id` and settings give the same readings.

    A contract for texts is a frozen dataclass whose fields are its options; `CONTRACT` in its file names the class.
    """

    @property
    def id(self) -> str:
        """Kind and version of the rules: `label/1`."""
        ...

    def read(self, response: Response) -> Reading:
        """Read one reply. Never raises, whatever the reply contains."""
        ...
