"""The traffic log: a thread writes routed calls to the store in batches, so that no request waits for the database.

A row waits in a bounded queue, `FLUSH_S` seconds while the database answers. If the queue is full, or the database
stays away, rows are dropped and counted. No call waits for the log or fails because of it.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import cast

from harness.backends.http.errors import without_secrets
from harness.core.errors import ConfigError, StoreError
from harness.core.ids import now
from harness.core.types import JSON
from harness.project.config import Config, LogConfig
from harness.store import traffic
from harness.store.runs import Store, open_store
from harness.store.traffic import RoutedCall

_log = logging.getLogger("harness.router")

FLUSH_S = 0.25
MAX_BATCH_ROWS = 500
"""Rows per transaction."""
FIRST_WAIT_S = 0.5
"""Wait before a failed write is repeated; doubles each time up to `LONGEST_WAIT_S`."""
LONGEST_WAIT_S = 8.0
CLOSE_S = 5.0
"""How long `close` waits for the remaining rows."""
DAY_S = 86_400.0

Redact = Callable[[str], str]


class TrafficLog:
    """A bounded queue of rows and the thread that writes them to the store at `url`."""

    def __init__(
        self, url: str, config: LogConfig, redact: Redact | None, secrets: Sequence[str], labels: frozenset[str]
    ) -> None:
        """Create a log that is not started.

        Args:
            url: URL of the store.
            config: The `[log]` table of harness.toml.
            redact: The user's hook, applied to every text; `None` for no hook.
            secrets: API keys and passwords, removed from every text.
            labels: Values that contain no customer text and are not redacted.

        """
        self.texts = config.texts
        self.dropped = 0
        """Number of rows that were not written."""
        self.texts_withheld = 0
        """Number of rows written without their texts because the `redact` hook failed."""
        self._url = url
        self._config = config
        self._redact = redact
        self._secrets = secrets
        self._labels = labels
        self._queue: deque[RoutedCall] = deque()
        self._stop = threading.Event()
        self._abandoned = False
        """`close` stopped waiting: the remaining rows count as dropped, even if they are written later."""
        self._thread: threading.Thread | None = None
        self._store: Store | None = None
        self._pruned_at: float | None = None

    def put(self, call: RoutedCall) -> None:
        """Queue a row, or drop it if the queue is full or the log is closed. Returns at once."""
        if len(self._queue) < self._config.queue and not self._stop.is_set():
            self._queue.append(call)
        else:
            self.dropped += 1

    def start(self) -> None:
        """Start the writer thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="harness-router-log", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write the remaining rows, for at most `CLOSE_S` seconds, and log how many were dropped. Blocks."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._abandoned = True
        self.dropped += len(self._queue)
        if self.dropped or self.texts_withheld:
            _log.warning("traffic log: %d rows dropped, %d without their texts", self.dropped, self.texts_withheld)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._prune_daily()
            self._write_all()
        self._write_all()
        if self._store is not None:
            self._store.close()

    def _write_all(self) -> None:
        while self._queue and not self._abandoned:
            batch = [self._queue[index] for index in range(min(MAX_BATCH_ROWS, len(self._queue)))]
            self._write([self._prepare(call) for call in batch])
            for _ in batch:  # only now: rows being written still count towards the queue limit
                self._queue.popleft()

    def _write(self, batch: Sequence[RoutedCall]) -> None:
        """Write a batch, and repeat until the database accepts it or the log is closed."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                traffic.append(self._open_store(), batch)
            except StoreError as error:
                if wait_s == FIRST_WAIT_S:
                    _log.warning("traffic log: %s", error)
                if self._stop.is_set():
                    break
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except Exception as error:  # noqa: BLE001  if the thread ended, no further row would be written
                return self._write_singly(batch, error)
            else:
                return None
        if not self._abandoned:
            self.dropped += len(batch)
        return None

    def _write_singly(self, batch: Sequence[RoutedCall], error: Exception) -> None:
        """Write each row by itself, so that only the invalid one is dropped."""
        if len(batch) == 1:
            self.dropped += 1
            _log.warning("traffic log: a row cannot be written: %s: %s", type(error).__name__, error)
        else:
            for call in batch:
                self._write([call])

    def _open_store(self) -> Store:
        if self._store is None:
            self._store = open_store(self._url)
        return self._store

    def _prune_daily(self) -> None:
        if self._pruned_at is not None and monotonic() - self._pruned_at < DAY_S:
            return
        self._pruned_at = monotonic()
        try:
            traffic.prune(self._open_store(), now(-timedelta(days=self._config.keep_days)))
        except StoreError as error:
            _log.warning("traffic log: old rows were not removed: %s", error)

    def _prepare(self, call: RoutedCall) -> RoutedCall:
        """Remove secrets from a row and redact it. If the hook fails, remove its texts."""
        if call.inputs is None and call.reply is None:
            return call
        try:
            inputs, reply, value = (self._clean(part) for part in (call.inputs, call.reply, call.value))
            value = call.value if self._is_label(call.value) else value
            return replace(call, inputs=cast("Mapping[str, JSON]", inputs), reply=cast("str", reply), value=value)
        except Exception as error:  # noqa: BLE001  the user's hook and inputs may raise anything
            self.texts_withheld += 1
            if self.texts_withheld == 1:
                _log.warning(
                    "traffic log: [log] redact failed, texts are not saved: %s: %s", type(error).__name__, error
                )
            return replace(call, inputs=None, reply=None, value=call.value if self._is_label(call.value) else None)

    def _is_label(self, value: JSON) -> bool:
        return isinstance(value, str) and value in self._labels

    def _clean(self, value: JSON) -> JSON:
        """Remove secrets from a JSON value and redact its texts."""
        if isinstance(value, str):
            return self._redacted(without_secrets(self._secrets, value))
        if isinstance(value, Mapping):
            return {str(key): self._clean(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(part) for part in value]
        return value if isinstance(value, int | float | None) else self._clean(str(value))

    def _redacted(self, text: str) -> str:
        if self._redact is None:
            return text
        redacted: object = self._redact(text)  # the user's hook may return anything
        if not isinstance(redacted, str):
            msg = f"[log] redact returned {type(redacted).__name__} instead of str"
            raise TypeError(msg)
        return redacted


def redactor(config: Config) -> Redact | None:
    """Return the hook named by `[log] redact`; raises `ConfigError` if it cannot be imported."""
    if config.log.redact is None:
        return None
    module, _, name = config.log.redact.partition(":")
    try:
        hook = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        msg = f"{config.path}: [log] redact = {config.log.redact!r} cannot be imported: {error}"
        raise ConfigError(msg) from None
    if not callable(hook):
        msg = f"{config.path}: [log] redact = {config.log.redact!r} is not a function"
        raise ConfigError(msg)
    return cast("Redact", hook)
