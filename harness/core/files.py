"""Write files atomically."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from harness.core.errors import ConfigError


def write(content: str | bytes, path: Path) -> None:
    """Write a file and create its folder. The old file stays until the new one is complete; a link stays a link.

    Raises `ConfigError` if the file cannot be written.
    """
    # A broken server can send a lone surrogate, which has no UTF-8. It is written as `\ud800`, as in JSON.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise ConfigError(msg) from error
