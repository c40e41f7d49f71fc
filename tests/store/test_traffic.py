"""Routed calls in the store."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.store import traffic
from harness.store.runs import Store, open_store
from harness.store.traffic import RoutedCall

WHOLE = RoutedCall(
    called_at="2026-11-01T10:00:00.000+00:00",
    task="ticket_triage",
    variant="local",
    backend="mistral-vllm",
    fingerprint="ab12",
    prompt_tokens=61,
    completion_tokens=2,
    usd=0.0001,
    latency_s=0.2,
    fallback="connection",
    attempts=2,
    compliant=False,
    violations=("preamble", "wrong_case"),
    value="billing",
    reply_chars=24,
    inputs={"text": "charged twice\0\ud83d"},
    reply="The category is: Billing\0\udc00",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/runs.db")
    yield opened
    opened.close()


def at(hour: int, **more: object) -> RoutedCall:
    return replace(RoutedCall(f"2026-11-01T{hour:02}:00:00.000+00:00", "triage", backend="q4"), **more)  # type: ignore[arg-type]


def test_routed_call_survives_a_round_trip(store: Store) -> None:
    traffic.append(store, [WHOLE])
    assert list(traffic.read(store)) == [replace(WHOLE, call_id=1)]


def test_new_store_has_no_calls(store: Store) -> None:
    traffic.append(store, [])
    assert (list(traffic.read(store)), traffic.tasks(store), traffic.prune(store, "9999")) == ([], [], 0)


def test_calls_are_read_oldest_first_by_task_and_time(store: Store) -> None:
    traffic.append(store, [at(12), at(10), at(11, task="other"), at(11)])
    assert [c.called_at[11:13] for c in traffic.read(store)] == ["10", "11", "11", "12"]
    assert [
        c.called_at[11:13] for c in traffic.read(store, task="triage", since="2026-11-01T11", until="2026-11-01T12")
    ] == ["11"]
    assert traffic.tasks(store) == ["other", "triage"]


def test_writes_proceed_while_calls_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "CHUNK", 2)
    traffic.append(store, [at(10) for _ in range(5)])
    reading = traffic.read(store)
    first = next(reading)
    traffic.append(store, [at(11)])
    assert [c.call_id for c in (first, *reading)] == [1, 2, 3, 4, 5, 6]


def test_prune_deletes_older_calls(store: Store) -> None:
    traffic.append(store, [at(9), at(10), at(11)])
    assert traffic.prune(store, at(10).called_at) == 1
    assert [c.called_at[11:13] for c in traffic.read(store)] == ["10", "11"]


moments = st.integers(0, 23).map(lambda hour: at(hour).called_at)


@given(st.lists(moments, max_size=12), moments, moments)
def test_every_call_of_a_period_is_read_once(times: list[str], since: str, until: str) -> None:
    store = open_store("sqlite://")
    traffic.append(store, [RoutedCall(time, "t") for time in times])
    times_read = [c.called_at for c in traffic.read(store, since=since, until=until)]
    assert times_read == sorted(time for time in times if since <= time < until)
    store.close()


def test_traffic_is_counted_by_task_and_backend(store: Store) -> None:
    traffic.append(
        store,
        [
            *(at(10, latency_s=float(i), compliant=i > 1, usd=0.0) for i in range(1, 9)),
            at(11, backend="gpt", fallback="connection", latency_s=0.5, usd=0.25),
            at(11, backend="gpt", fallback="timeout", usd=0.25),
            at(12, backend="gpt", fallback="connection"),
            at(12, backend="", fallback="connection", error="server"),
            at(12, task="other"),
        ],
    )
    other, q4, gpt, nobody = traffic.summary(store)
    assert (other.task, other.backend, other.calls, other.share) == ("other", "q4", 1, 1.0)
    assert (other.compliance, other.p50_s, other.usd) == (None, None, None)
    assert (q4.calls, q4.share, q4.compliance, q4.p50_s, q4.p95_s, q4.usd) == (8, 8 / 12, 7 / 8, 4.0, 8.0, 0.0)
    assert (gpt.calls, gpt.fallbacks, gpt.p95_s, gpt.usd) == (3, {"connection": 2, "timeout": 1}, 0.5, 0.5)
    assert list(gpt.fallbacks) == ["connection", "timeout"]
    assert (nobody.backend, nobody.calls) == ("", 1)
    assert [t.backend for t in traffic.summary(store, task="triage", since="2026-11-01T12")] == ["", "gpt"]


def test_new_store_has_no_traffic(store: Store) -> None:
    assert traffic.summary(store) == []


def test_traffic_is_filtered_by_time(store: Store) -> None:
    from rich.console import Console

    from harness.cli._traffic import show
    from harness.core.ids import now

    assert show(store, None) is None
    traffic.append(
        store,
        [
            at(10, latency_s=0.25, compliant=True, usd=0.0),
            at(10, backend="", fallback="connection"),
            replace(at(10), called_at=now(), backend="\x1b[2Jgpt", usd=0.5, latency_s=130.0),
        ],
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(show(store, None))
    out = console.export_text()
    hour, _, whole = out.partition("routed calls, all time")
    assert "unanswered" not in hour
    assert "gpt" in hour
    assert "130.0 s" in hour
    assert "\x1b" not in out
    assert "unanswered" in whole
    assert "connection 1" in whole
    assert "250 ms" in whole


def test_period_without_more_calls_is_not_shown(store: Store) -> None:
    from rich.console import Console

    from harness.cli._traffic import show
    from harness.core.ids import now

    traffic.append(store, [replace(at(10), called_at=now())])
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(show(store))
    assert console.export_text().count("routed calls") == 1


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_quantiles_are_observed_latencies(latencies: list[float]) -> None:
    store = open_store("sqlite://")
    traffic.append(store, [at(10, latency_s=latency) for latency in latencies])
    (traffic_of_task,) = traffic.summary(store)
    store.close()
    for value, share in ((traffic_of_task.p50_s, 0.50), (traffic_of_task.p95_s, 0.95)):
        assert value in latencies
        assert sum(latency <= value for latency in latencies) >= share * len(latencies) - 1e-9
        assert sum(latency < value for latency in latencies) < share * len(latencies)
