"""The log of routed calls: into the store in a thread of its own, in batches, and never in the way of a request.

A row waits in a bounded queue for at most `FLUSH_S`. Where the queue is full, or the database does not come back, rows
are dropped and counted; no call ever waits for them or fails of them.
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
BATCH = 500
"""The most rows of one transaction."""
FIRST_WAIT_S = 0.5
"""Between two tries to write, twice as long each time."""
LONGEST_WAIT_S = 8.0
CLOSE_S = 5.0
"""So long `close` waits for the rows that are left."""
DAY_S = 86_400.0

Redact = Callable[[str], str]


class TrafficLog:
    """Rows on their way to the store at `url`."""

    def __init__(
        self, url: str, config: LogConfig, redact: Redact | None, secrets: Sequence[str], labels: frozenset[str]
    ) -> None:
        """`secrets`: keys, which no text may hold whatever a server or a caller puts there.

        `labels`: values that tell nothing of what somebody wrote, and stay as they are.
        """
        self.texts = config.texts
        self.dropped = 0
        """Rows that were not written."""
        self.withheld = 0
        """Rows that were written without their texts, because the hook that redacts them failed."""
        self._url = url
        self._config = config
        self._redact = redact
        self._secrets = secrets
        self._labels = labels
        self._queue: deque[RoutedCall] = deque()
        self._stop = threading.Event()
        self._abandoned = False
        """`close` has not waited to the end: what is left is counted as dropped, whatever becomes of it."""
        self._thread: threading.Thread | None = None
        self._store: Store | None = None
        self._pruned_at: float | None = None

    def put(self, call: RoutedCall) -> None:
        """Take a row, or drop it where too many wait already, or the log is closed. Returns at once."""
        if len(self._queue) < self._config.queue and not self._stop.is_set():
            self._queue.append(call)
        else:
            self.dropped += 1

    def start(self) -> None:
        """Begin to write."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="harness-router-log", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is left, if that does not take too long, and say what was dropped. Blocks."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._abandoned = True
        self.dropped += len(self._queue)
        if self.dropped or self.withheld:
            _log.warning("log of routed calls: %d dropped, %d without their texts", self.dropped, self.withheld)

    def _work(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._prune_daily()
            self._write_all()
        self._write_all()
        if self._store is not None:
            self._store.close()

    def _write_all(self) -> None:
        while self._queue and not self._abandoned:
            batch = [self._queue[place] for place in range(min(BATCH, len(self._queue)))]
            self._write([self._fit(call) for call in batch])
            for _ in batch:  # only now: what is being written still takes its place in the queue
                self._queue.popleft()

    def _write(self, batch: Sequence[RoutedCall]) -> None:
        """Write a batch: try until the database takes it; once the log is closed, once more."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                traffic.append(self._opened(), batch)
            except StoreError as error:
                if wait_s == FIRST_WAIT_S:
                    _log.warning("log of routed calls: %s", error)
                if self._stop.is_set():
                    break
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except Exception as error:  # noqa: BLE001  a thread that has ended would write nothing more
                return self._one_by_one(batch, error)
            else:
                return None
        if not self._abandoned:
            self.dropped += len(batch)
        return None

    def _one_by_one(self, batch: Sequence[RoutedCall], error: Exception) -> None:
        """One of these rows cannot be written: only that one is dropped."""
        if len(batch) == 1:
            self.dropped += 1
            _log.warning("log of routed calls: a row cannot be written: %s: %s", type(error).__name__, error)
        else:
            for call in batch:
                self._write([call])

    def _opened(self) -> Store:
        if self._store is None:
            self._store = open_store(self._url)
        return self._store

    def _prune_daily(self) -> None:
        if self._pruned_at is not None and monotonic() - self._pruned_at < DAY_S:
            return
        self._pruned_at = monotonic()
        try:
            traffic.prune(self._opened(), now(-timedelta(days=self._config.keep_days)))
        except StoreError as error:
            _log.warning("log of routed calls: old rows are not removed: %s", error)

    def _fit(self, call: RoutedCall) -> RoutedCall:
        """A row as it may be written: without keys, redacted, or else without its texts."""
        if call.inputs is None and call.reply is None:
            return call
        try:
            inputs, reply, value = (self._clean(part) for part in (call.inputs, call.reply, call.value))
            value = call.value if self._is_label(call.value) else value
            return replace(call, inputs=cast("Mapping[str, JSON]", inputs), reply=cast("str", reply), value=value)
        except Exception as error:  # noqa: BLE001  the hook is the user's, and so are the inputs
            self.withheld += 1
            if self.withheld == 1:
                _log.warning("log of routed calls: texts are left out: %s: %s", type(error).__name__, error)
            return replace(call, inputs=None, reply=None, value=call.value if self._is_label(call.value) else None)

    def _is_label(self, value: JSON) -> bool:
        return isinstance(value, str) and value in self._labels

    def _clean(self, value: JSON) -> JSON:
        """A value of JSON without keys, its texts redacted."""
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
        told: object = self._redact(text)  # whatever its author has promised
        if not isinstance(told, str):
            msg = f"[log] redact gave {type(told).__name__}, and no text"
            raise TypeError(msg)
        return told


def redactor(config: Config) -> Redact | None:
    """The hook that `[log] redact` names; raises `ConfigError` where there is none of that name."""
    if config.log.redact is None:
        return None
    module, _, name = config.log.redact.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        msg = f"{config.path}: [log] redact = {config.log.redact!r} cannot be imported: {error}"
        raise ConfigError(msg) from None
    if not callable(found):
        msg = f"{config.path}: [log] redact = {config.log.redact!r} is no function"
        raise ConfigError(msg)
    return cast("Redact", found)
