"""The bill of a month: measured tokens, projected. The field report's own table is the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.advise import advise
from harness.bill import Advice, Bill, Line, Usage, throughput, usage
from harness.config import LocalConfig
from harness.cost import Price
from harness.store import open_store

from .support.field_report import TASKS, Task, field_report, made, runs
from .support.project import Project


@pytest.fixture(scope="module")
def advice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advice]:
    """What comes of the field report's runs."""
    store = open_store("sqlite:///:memory:")
    runs(store)
    yield advise(field_report(Project(tmp_path_factory.mktemp("team"))).load(), store)
    store.close()


class TestTheFieldReportsTable:
    @pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
    def test_each_row_lands_within_ten_percent(self, advice: Advice, task: Task) -> None:
        one = advice.of(task.name)
        assert one is not None
        assert one.line.today_usd == pytest.approx(task.usd_a_month, rel=0.1)

    def test_so_does_the_sum(self, advice: Advice) -> None:
        assert advice.bill.today_usd == pytest.approx(sum(task.usd_a_month for task in TASKS), rel=0.1)

    def test_batches_cost_half(self, advice: Advice) -> None:
        assert advice.bill.batch_usd == pytest.approx(advice.bill.today_usd / 2)

    def test_split_it_is_what_stays_and_one_server(self, advice: Advice) -> None:
        """Agents stay, and so do embeddings, which the candidate does not serve: $36 and $2; the server is 80 + 5."""
        bill = advice.bill
        assert bill.moved == {"ticket_triage", "invoice_fields", "summaries", "moderation"}
        assert bill.stays_usd == pytest.approx(38, rel=0.1)
        assert bill.server_usd(bill.moving) == 85
        assert bill.hybrid_usd == pytest.approx(38 + 85, rel=0.1)

    def test_the_parts_of_the_server_add_up_and_each_that_moves_saves(self, advice: Advice) -> None:
        bill = advice.bill
        assert sum(map(bill.share_usd, bill.lines)) == pytest.approx(85)
        saved = [bill.saved_usd(line) for line in bill.moving]
        assert all(amount is not None and amount > 0 for amount in saved)
        assert sum(amount or 0 for amount in saved) == pytest.approx(bill.today_usd - bill.hybrid_usd)


USAGE = Usage("r", "gpt@api", "api", 100, True, 300, 5, 1.0, 400, 2.0, 0.5)
LINE = Line("e", "classification", 2000, "api", "home", USAGE, USAGE, Price(2.5, 10.0, None, ""), None, True, 3.0, 85.0)


class TestALine:
    def test_break_even_is_where_the_server_costs_no_more(self) -> None:
        """0.0008 USD a call: 85 USD buy 106,250 calls, 3,541.67 a day."""
        assert LINE.break_even == 3542
        there = replace(LINE, daily_calls=3542)
        below = replace(LINE, daily_calls=3541)
        assert (there.today_usd or 0) >= 85 > (below.today_usd or 0)

    def test_load_is_the_busiest_hour_over_what_was_measured(self) -> None:
        assert LINE.load == pytest.approx(3 * 2000 / 86_400 / 2.0)
        assert LINE.capacity == 57_600
        assert replace(LINE, daily_calls=57_600).load == pytest.approx(1.0)

    def test_retries_are_paid_for(self) -> None:
        retried = replace(LINE, usage_now=replace(USAGE, tries=1.25))
        assert retried.today_usd == pytest.approx(1.25 * 48)

    def test_what_nobody_prices_or_measured_is_not_zero(self) -> None:
        assert replace(LINE, price_now=None).today_usd is None
        assert replace(LINE, usage_now=None).today_usd is None
        bill = Bill((LINE, replace(LINE, eval="other", price_now=None)), frozenset(), LocalConfig())
        assert bill.unknown == ("other",)
        assert bill.today_usd == pytest.approx(48)

    def test_a_candidate_with_a_price_has_no_server(self) -> None:
        mini = replace(LINE, local=False, price_then=Price(0.15, 0.6, None, ""))
        assert mini.then_usd == pytest.approx(60_000 * (300 * 0.15 + 5 * 0.6) / 1e6)
        assert (mini.load, mini.break_even) == (None, None)
        bill = Bill((mini,), frozenset({"e"}), LocalConfig())
        assert bill.hybrid_usd == mini.then_usd


def test_a_second_server_is_paid_for_where_one_is_not_enough() -> None:
    busy = [replace(LINE, eval=name, daily_calls=40_000) for name in ("a", "b")]
    bill = Bill(tuple(busy), frozenset({"a", "b"}), LocalConfig(servers=2))
    assert bill.server_usd(bill.moving) == 2 * 80 + 5
    assert bill.server_usd(busy[:1]) == 85


class TestUsage:
    def test_means_over_what_was_judged(self) -> None:
        found = usage(made("triage", "gpt", "api", 50, attempts=2))
        assert found is not None
        assert (found.n, found.prompt_tokens, found.completion_tokens, found.tries) == (50, 300, 5, 2.0)
        assert found.latency_p95_s == 0.5

    def test_a_tasks_context_is_no_call_of_production(self) -> None:
        run = made("search", "gpt", "api", 10)
        passages = [replace(r, case=replace(r.case, expected=None)) for r in run.results[:4]]
        found = usage(replace(run, results=(*passages, *run.results[4:])))
        assert found is not None
        assert found.n == 6

    def test_a_server_that_counts_nothing_tells_nothing(self) -> None:
        run = made("triage", "gpt", "api", 10)
        silent = tuple(replace(r, response=replace(r.response, prompt_tokens=None)) for r in run.results)
        assert usage(replace(run, results=silent)) is None


class TestThroughput:
    @pytest.mark.parametrize(("at_once", "per_s"), [(1, 2.0), (4, 8.0), (8, 16.0)])
    def test_calls_over_the_time_in_which_any_was_under_way(self, at_once: int, per_s: float) -> None:
        run = made("triage", "local", "home", 40, latency_s=0.5, at_once=at_once)
        assert throughput(run.results) == pytest.approx(per_s)

    def test_a_pause_between_two_sessions_is_no_work(self) -> None:
        first = list(made("triage", "local", "home", 20, at_once=1).results)
        later = [replace(r, answered_at=r.answered_at.replace("T12", "T19")) for r in first]
        assert throughput([*first, *later]) == pytest.approx(2.0)

    def test_without_times_it_is_not_known(self) -> None:
        run = made("triage", "local", "home", 4)
        assert throughput([replace(r, answered_at="") for r in run.results]) is None
        assert throughput([]) is None
