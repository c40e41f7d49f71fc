"""The traffic log: what it stores, and that no request waits for it or fails because of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from harness.core.errors import ConfigError
from harness.core.ids import now
from harness.project.config import LogConfig
from harness.router import ModelRouter
from harness.router import _traffic_log as log_module
from harness.router._traffic_log import TrafficLog
from harness.store import traffic
from harness.store.runs import open_store
from harness.store.traffic import RoutedCall

from ..support.lean import Act
from .conftest import MESSAGES, Desk
from .test_failures import create
from .test_router import within


def started(folder: Path, url: str = "", **settings: object) -> TrafficLog:
    log = TrafficLog(url or f"sqlite:///{folder}/runs.db", LogConfig.model_validate(settings), None, (), frozenset())
    log.start()
    return log


def rows(folder: Path) -> list[RoutedCall]:
    store = open_store(f"sqlite:///{folder}/runs.db")
    try:
        return list(traffic.read(store))
    finally:
        store.close()


def test_texts_are_stored_on_request_and_redacted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.project.write("hooks_of_ours.py", "def redact(text):\n    return text.replace('Anna', 'A.')\n")
    monkeypatch.syspath_prepend(str(desk.project.root))
    desk.config('[log]\ntexts = true\nredact = "hooks_of_ours:redact"\n')

    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act("billing, Anna"), Act("Anna is billing"), Act("Anna")]
        await router.ask("triage", text="I am Anna", extra=[1, {"who": "Anna"}])
        await create(router)
        async with await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True) as stream:
            assert [chunk async for chunk in stream]

    within(desk, work)
    evaluated, created, streamed = desk.calls()
    assert (evaluated.inputs, evaluated.reply) == ({"text": "I am A.", "extra": [1, {"who": "A."}]}, "billing, A.")
    assert (created.inputs, created.reply) == ({"messages": MESSAGES, "max_tokens": 16}, "A. is billing")
    assert streamed.reply == "A."
    sys.modules.pop("hooks_of_ours")


@pytest.mark.parametrize("hook", [lambda text: text[99], lambda _: None])
def test_a_failing_redact_hook_keeps_texts_out_of_the_log(tmp_path: Path, hook: Callable[[str], str]) -> None:
    log = TrafficLog(f"sqlite:///{tmp_path}/runs.db", LogConfig(texts=True), hook, (), frozenset({"billing"}))
    log.start()
    log.put(RoutedCall(now(), "t", value="secret", inputs={"text": "secret"}, reply="secret"))
    log.put(RoutedCall(now(), "t", value="billing", inputs={"text": "secret"}, reply="secret"))
    log.close()
    assert [(c.inputs, c.reply, c.value) for c in rows(tmp_path)] == [(None, None, None), (None, None, "billing")]
    assert (log.dropped, log.texts_withheld) == (0, 2)


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ("no_such_module_of_ours:f", "no_such_module_of_ours"),
        ("json:dunps", "no attribute 'dunps'"),
        ("json:__name__", "not a function"),
        ("json.dumps", "redact in [log] "),
    ],
)
def test_a_missing_redact_hook_is_an_error_at_the_start(desk: Desk, hook: str, says: str) -> None:
    desk.config(f'[log]\nredact = "{hook}"\n')
    with pytest.raises(ConfigError) as caught:
        desk.router()
    assert says in str(caught.value)


def test_a_dead_database_fails_no_request(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_STORE_URL", "sqlite:////proc/no/such/folder/runs.db")

    async def main() -> ModelRouter:
        async with desk.router() as router:
            for _ in range(3):
                assert await create(router) == "billing"
        return router

    assert asyncio.run(main()).dropped == 3


def test_a_full_queue_drops_rows_without_blocking(tmp_path: Path) -> None:
    log = TrafficLog(f"sqlite:///{tmp_path}/runs.db", LogConfig(queue=10), None, (), frozenset())
    for _ in range(25):
        log.put(RoutedCall(now(), "t"))
    assert log.dropped == 15
    log.start()
    log.close()
    assert len(rows(tmp_path)) == 10


def test_queued_rows_are_written_when_the_database_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(log_module, "FLUSH_S", 0.01)
    folder = tmp_path / "store"
    folder.write_text("a file where the store's folder should be")
    log = started(folder)
    log.put(RoutedCall(now(), "t"))
    sleep(0.1)
    folder.unlink()
    folder.mkdir()
    sleep(0.3)
    log.close()
    assert (len(rows(folder)), log.dropped) == (1, 0)


def test_rows_wait_for_the_database_while_the_queue_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(log_module, "FLUSH_S", 0.01)
    (tmp_path / "store").write_text("no folder")
    log = started(tmp_path / "store", queue=2)
    for _ in range(3):
        log.put(RoutedCall(now(), "t"))
        sleep(0.05)
    assert log.dropped == 1, "the third row"
    log.close()
    assert log.dropped == 3


def test_close_does_not_wait_long_for_a_locked_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "CLOSE_S", 0.2)
    log = started(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/runs.db").connection(writing=True):
        log.put(RoutedCall(now(), "t"))
        log.close()
        assert log._thread.is_alive(), "its writer waits for the lock, and close() does not"
        assert log.dropped == 1


def test_an_unwritable_row_does_not_affect_other_rows(tmp_path: Path) -> None:
    log = started(tmp_path)
    log.put(RoutedCall(now(), "t", inputs={"text": object()}, reply="x"))
    log.put(RoutedCall(now(), "t", value=object()))
    log.put(RoutedCall(now(), "t"))
    log.close()
    assert len(rows(tmp_path)) == 2
    assert log.dropped == 1


def test_rows_older_than_keep_days_are_removed_at_the_start(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/runs.db")
    traffic.append(store, [RoutedCall(now(-timedelta(days=days)), "t") for days in (1, 29, 31)])
    store.close()
    log = started(tmp_path, keep_days=30)
    sleep(2 * log_module.FLUSH_S)
    log.close()
    assert len(rows(tmp_path)) == 2


def test_labels_are_not_redacted(tmp_path: Path) -> None:
    log = TrafficLog(f"sqlite:///{tmp_path}/runs.db", LogConfig(texts=True), lambda _: "X", (), frozenset({"billing"}))
    log.start()
    for value in ("billing", "a summary"):
        log.put(RoutedCall(now(), "t", value=value, inputs={"text": "secret"}, reply=value))
    log.close()
    assert [(c.value, c.reply) for c in rows(tmp_path)] == [("billing", "X"), ("X", "X")]


def test_extra_headers_and_body_are_not_logged(desk: Desk) -> None:
    desk.config("[log]\ntexts = true\n")

    async def main() -> None:
        async with desk.router() as router:
            await router.chat.completions.create(
                task="triage", messages=MESSAGES, extra_headers={"x-api-key": "mine"}, extra_body={"top_k": 3}
            )

    asyncio.run(main())
    assert desk.calls()[0].inputs == {"messages": MESSAGES}
