"""The bill of a month: measured tokens, projected. The field report's own table is the fixture."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.advice.advise import advise
from harness.analysis.costs.capacity import MOST_SERVERS, PARTS
from harness.analysis.costs.projection import (
    FEW,
    Advice,
    CostProjection,
    CostTotal,
    EvalCost,
    Usage,
    cheapest,
    throughput,
    usage,
)
from harness.project.config import LocalConfig
from harness.project.pricing import Price
from harness.store.runs import open_store

from ...support.field_report import TASKS, Task, field_report, made, runs
from ...support.project import Project


@pytest.fixture(scope="module")
def advice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advice]:
    """What comes of the field report's runs."""
    store = open_store("sqlite:///:memory:")
    runs(store)
    yield advise(field_report(Project(tmp_path_factory.mktemp("team"))).with_store(store))
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
LINE = EvalCost(
    "e", "classification", 2000, "api", "home", USAGE, USAGE, Price(2.5, 10.0, None, ""), None, True, 3.0, 85.0
)


class TestALine:
    def test_break_even_is_where_the_server_costs_no_more(self) -> None:
        """0.0008 USD a call: 85 USD buy 106,250 calls, 3,541.67 a day."""
        assert LINE.break_even == 3542
        there = replace(LINE, daily_calls=3542)
        below = replace(LINE, daily_calls=3541)
        assert (there.today_usd or 0) >= 85 > (below.today_usd or 0)

    @given(
        fixed=st.integers(0, 30_000),
        price=st.tuples(st.integers(1, 3000), st.integers(0, 6000)),
        tokens=st.tuples(st.integers(1, 4000), st.integers(0, 1000)),
    )
    def test_break_even_is_exact(self, fixed: int, price: tuple[int, int], tokens: tuple[int, int]) -> None:
        """Of cents a month, and cents a million tokens, on a server that carries any number of calls."""
        used = replace(USAGE, prompt_tokens=float(tokens[0]), completion_tokens=float(tokens[1]))
        asked = Price(price[0] / 100, price[1] / 100, None, "")
        a_call = Fraction(price[0] * tokens[0] + price[1] * tokens[1], 100_000_000)
        exact = math.ceil(Fraction(fixed, 100) / (30 * a_call))
        boundless = replace(USAGE, calls_per_s=1e15)
        line = replace(LINE, current_usage=used, candidate_usage=boundless, current_price=asked, fixed_usd=fixed / 100)
        assert line.break_even == exact

    def test_break_even_is_not_one_more_for_the_noise_of_floats(self) -> None:
        """0.00375 USD a call: 90 USD buy 24,000 calls, 800 a day."""
        used = replace(USAGE, prompt_tokens=1000.0, completion_tokens=50.0)
        line = replace(LINE, current_usage=used, current_price=Price(3.0, 15.0, None, ""), fixed_usd=90.0)
        assert line.break_even == 800

    def test_there_is_no_break_even_beyond_what_one_server_carries(self) -> None:
        """At a peak of 3, 0.123 calls a second are 3,542 a day, and 0.1229 are 3,539."""
        just = replace(LINE, candidate_usage=replace(USAGE, calls_per_s=0.123))
        slower = replace(LINE, candidate_usage=replace(USAGE, calls_per_s=0.1229))
        assert (just.capacity, just.break_even, just.never_even) == (3542, 3542, False)
        assert (slower.capacity, slower.break_even, slower.never_even) == (3539, None, True)

    def test_where_the_speed_is_not_measured_nothing_is_beyond_it(self) -> None:
        silent = replace(LINE, candidate_usage=replace(USAGE, calls_per_s=None))
        assert (silent.capacity, silent.break_even, silent.never_even) == (None, 3542, False)

    def test_nothing_is_even_with_what_costs_nothing_and_of_what_nobody_prices_it_is_not_known(self) -> None:
        free = replace(LINE, current_price=Price(0.0, 0.0, None, ""))
        assert (free.break_even, free.never_even) == (None, True)
        unpriced = replace(LINE, current_price=None)
        assert (unpriced.break_even, unpriced.never_even) == (None, False)

    @pytest.mark.parametrize("usd", [5e-324, 1e-300, 1e300, math.inf])
    def test_an_absurd_price_is_no_error(self, usd: float) -> None:
        line = replace(LINE, current_price=Price(usd, usd, None, ""))
        bill = CostProjection((line,), frozenset({"e"}), LocalConfig(server_usd_per_month=sys.float_info.max))
        assert line.break_even == (None if usd < 1 else 0 if usd == math.inf else 1)
        assert bill.hybrid_usd == bill.advised.usd == sys.float_info.max
        assert cheapest([line], LocalConfig()) == ({"e"} if usd > 1 else set())

    def test_neither_is_an_absurd_volume(self) -> None:
        line = replace(LINE, daily_calls=10**400)
        bill = CostProjection((line,), frozenset({"e"}), LocalConfig())
        assert bill.today_usd > bill.hybrid_usd > 0
        assert cheapest([line], LocalConfig()) == set()  # no server carries it

    def test_load_is_the_busiest_hour_over_what_was_measured(self) -> None:
        assert LINE.load == pytest.approx(3 * 2000 / 86_400 / 2.0)
        assert LINE.capacity == 57_600
        assert replace(LINE, daily_calls=57_600).load == pytest.approx(1.0)

    def test_retries_are_paid_for(self) -> None:
        retried = replace(LINE, current_usage=replace(USAGE, tries=1.25))
        assert retried.today_usd == pytest.approx(1.25 * 48)

    def test_what_nobody_prices_or_measured_is_not_zero(self) -> None:
        assert replace(LINE, current_price=None).today_usd is None
        assert replace(LINE, current_usage=None).today_usd is None
        bill = CostProjection((LINE, replace(LINE, eval="other", current_price=None)), frozenset(), LocalConfig())
        assert bill.unknown == ("other",)
        assert bill.today_usd == pytest.approx(48)

    def test_a_candidate_with_a_price_has_no_server(self) -> None:
        mini = replace(LINE, local=False, candidate_price=Price(0.15, 0.6, None, ""))
        assert mini.candidate_usd == pytest.approx(60_000 * (300 * 0.15 + 5 * 0.6) / 1e6)
        assert (mini.load, mini.break_even) == (None, None)
        bill = CostProjection((mini,), frozenset({"e"}), LocalConfig())
        assert bill.hybrid_usd == mini.candidate_usd


MINI = replace(LINE, candidate="mini", local=False, candidate_price=Price(0.15, 0.6, None, ""))


def sums_of(*lines: EvalCost, moved: str = "") -> dict[str, CostTotal]:
    bill = CostProjection(lines, frozenset(moved.split()), LocalConfig())
    return {"today": bill.today, "batch": bill.batch, "advised": bill.advised, "all": bill.all_moved}


class TestSums:
    def test_with_everything_known_they_are_the_bills(self) -> None:
        bill = CostProjection((LINE, replace(LINE, eval="other")), frozenset({"e"}), LocalConfig())
        found = (bill.today, bill.batch, bill.advised, bill.all_moved)
        assert [each.usd for each in found] == [bill.today_usd, bill.batch_usd, bill.hybrid_usd, bill.then_usd]
        assert all((each.over, each.of, each.missing, each.estimated) == (2, 2, (), False) for each in found)

    def test_of_a_candidate_that_was_never_run_nothing_is_known_and_that_is_not_zero(self) -> None:
        found = sums_of(replace(MINI, candidate_usage=None))
        assert found["today"].usd == pytest.approx(48)
        assert (found["all"].usd, found["all"].missing) == (None, ("e",))

    @pytest.mark.parametrize("unknown", [{"candidate_usage": None}, {"candidate_price": None}])
    def test_each_sum_names_what_is_missing_in_it(self, unknown: dict[str, None]) -> None:
        found = sums_of(MINI, replace(MINI, eval="other", **unknown))
        assert (found["today"].usd, found["today"].missing) == (pytest.approx(96), ())
        assert (found["all"].usd, found["all"].missing, found["all"].over) == (MINI.candidate_usd, ("other",), 1)

    @pytest.mark.parametrize("unknown", [{"current_usage": None}, {"current_price": None}])
    def test_what_is_compared_is_over_the_same_evals(self, unknown: dict[str, None]) -> None:
        """Of `other` nobody knows today's cost, so what it would cost there is in no sum either."""
        found = sums_of(MINI, replace(MINI, eval="other", **unknown))
        assert [each.usd for each in found.values()] == [pytest.approx(48), pytest.approx(24), 48, MINI.candidate_usd]
        assert {each.missing for each in found.values()} == {("other",)}

    def test_and_the_servers_are_those_of_the_same_evals(self) -> None:
        busy = replace(LINE, eval="busy", daily_calls=57_600, current_price=None)
        assert sums_of(LINE, busy)["all"].usd == 85

    def test_a_server_for_evals_that_were_not_run_on_it_is_the_least(self) -> None:
        found = sums_of(LINE, replace(LINE, eval="other", candidate_usage=None))
        assert (found["all"].usd, found["all"].missing) == (85, ("other",))

    def test_without_any_run_all_of_them_are_unknown(self) -> None:
        found = sums_of(replace(LINE, current_usage=None, candidate_usage=None))
        assert [each.usd for each in found.values()] == [None] * 4
        assert [each.usd for each in sums_of().values()] == [None] * 4

    def test_an_estimate_makes_those_sums_estimates_that_it_is_in(self) -> None:
        """The candidate's own tokens are measured; what it does not serve stays where it is, by guessed tokens."""
        found = sums_of(replace(MINI, estimated=True), moved="e")
        assert [each.estimated for each in found.values()] == [True, True, False, False]
        assert sums_of(replace(MINI, candidate="", estimated=True))["all"].estimated
        assert not sums_of(replace(MINI, estimated=True, current_price=None))["today"].estimated


def test_few_calls_or_a_sample_say_little() -> None:
    assert not USAGE.few
    assert replace(USAGE, whole=False).few
    assert replace(USAGE, n=FEW - 1).few


def test_a_second_server_is_paid_for_where_one_is_not_enough() -> None:
    busy = [replace(LINE, eval=name, daily_calls=40_000) for name in ("a", "b")]
    bill = CostProjection(tuple(busy), frozenset({"a", "b"}), LocalConfig(servers=2))
    assert bill.server_usd(bill.moving) == 2 * 80 + 5
    assert bill.server_usd(busy[:1]) == 85


def costing(name: str, usd: float, parts: int) -> EvalCost:
    """An eval that costs so much a month today, and would take so many millionths of a server."""
    tokens = usd / 3000 * 1_000_000  # 100 calls a day, 1 USD a million tokens
    used = replace(USAGE, prompt_tokens=tokens, completion_tokens=0.0, calls_per_s=300 / 86_400 / (parts + 0.5) * PARTS)
    return replace(
        LINE,
        eval=name,
        daily_calls=100,
        current_usage=used,
        candidate_usage=used,
        current_price=Price(1.0, 1.0, None, ""),
    )


def moved(servers: int, *specs: tuple[str, float, float]) -> set[str]:
    """What moves, of evals `(name, USD a month, load)`, where a server costs 80 USD and what is around them 5."""
    lines = [costing(name, usd, round(load * PARTS)) for name, usd, load in specs]
    return set(cheapest(lines, LocalConfig(server_usd_per_month=80, overhead_usd_per_month=5, servers=servers)))


class TestCheapest:
    @pytest.mark.parametrize(
        ("servers", "specs", "moves"),
        [
            (2, [("big", 200, 0.9), ("small", 10, 0.5)], {"big"}),  # with both 165, with big alone 95
            (2, [("big", 100, 0.9), ("mid", 40, 0.5)], {"big"}),  # as today 140, with both 165, with big alone 125
            (2, [("big", 200, 0.9), ("other", 90, 0.5)], {"big", "other"}),  # the second server pays by itself
            (2, [("a", 50, 0.6), ("b", 50, 0.6)], set()),  # neither one server nor two
            (1, [("a", 50, 0.6), ("b", 50, 0.4)], {"a", "b"}),  # together they do
            (1, [("a", 100, 0.9), ("b", 30, 0.3)], {"a"}),
            (1, [("dense", 60, 0.5), ("a", 80, 0.8), ("b", 19, 0.2)], {"a", "b"}),  # not what saves most for its load
            (1, [("free", 0, 0.1), ("a", 90, 0.1)], {"a"}),
            (3, [], set()),
        ],
    )
    def test_of_all_that_could_move_that_part_does_with_which_the_bill_is_lowest(
        self, servers: int, specs: list[tuple[str, float, float]], moves: set[str]
    ) -> None:
        assert moved(servers, *specs) == moves
        assert moved(servers, *reversed(specs)) == moves

    @given(
        servers=st.integers(1, 4),
        prices=st.tuples(st.integers(0, 100), st.integers(0, 10)),
        specs=st.lists(st.tuples(st.integers(0, 120), st.integers(1, 30)), max_size=7),
    )
    def test_no_part_has_a_lower_bill(
        self, servers: int, prices: tuple[int, int], specs: list[tuple[int, int]]
    ) -> None:
        local = LocalConfig(server_usd_per_month=prices[0], overhead_usd_per_month=prices[1], servers=servers)
        lines = tuple(costing(f"e{i}", usd, load * PARTS // 20) for i, (usd, load) in enumerate(specs))
        parts = [frozenset(names) for n in range(len(lines) + 1) for names in combinations([x.eval for x in lines], n)]
        bills = [CostProjection(lines, part, local) for part in parts]
        lowest = min(bill.hybrid_usd for bill in bills if bill.servers(bill.moving) <= servers)
        found = CostProjection(lines, cheapest(lines, local), local)
        assert found.servers(found.moving) <= servers
        assert found.hybrid_usd <= lowest + 0.01
        assert all((found.saved_usd(line) or 0) > 0 for line in found.moving)

    def test_what_fits_exactly_is_not_refused_for_the_noise_of_floats(self) -> None:
        """Twenty times 0.05 are not 1, by floats, and six times a sixth are not by rounding."""
        for n in (3, 6, 7, 20):
            lines = [replace(costing(f"e{i}", 30, PARTS), daily_calls=100) for i in range(n)]
            lines = [replace(x, candidate_usage=replace(USAGE, calls_per_s=300 / 86_400 * n)) for x in lines]
            assert CostProjection(tuple(lines), frozenset(), LocalConfig()).servers(lines) == 1
            assert len(cheapest(lines, LocalConfig())) == n

    @pytest.mark.parametrize("usd_for_its_load", [110, 95])
    def test_dozens_of_evals_that_save_alike_are_no_riddle(self, usd_for_its_load: float) -> None:
        """Four full servers are the most that can be saved by, and many sets come close."""
        loads = [30_000 + 7919 * i % 300_001 for i in range(60)]
        lines = [costing(f"e{i:02}", usd_for_its_load * load / PARTS, load) for i, load in enumerate(loads)]
        bill = CostProjection(tuple(lines), cheapest(lines, LocalConfig(servers=4)), LocalConfig(servers=4))
        assert bill.today_usd - bill.hybrid_usd == pytest.approx(4 * usd_for_its_load - 4 * 80 - 5, abs=0.02)

    def test_of_hundreds_of_servers_what_saves_most_comes_first(self) -> None:
        local = LocalConfig(servers=10 * MOST_SERVERS)
        lines = [costing(f"e{i:03}", usd, PARTS) for i in range(MOST_SERVERS) for usd in (79, 81)]
        lines = [replace(line, eval=f"{line.eval}-{i}") for i, line in enumerate(lines)]
        bill = CostProjection(tuple(lines), cheapest(lines, local), local)
        assert bill.servers(bill.moving) == MOST_SERVERS
        assert {round(line.today_usd or 0) for line in bill.moving} == {81}

    def test_and_what_they_have_room_for_is_not_left_out(self) -> None:
        """The last has room beside the first hundred and one, which leave a tenth; the one before it has not."""
        local = LocalConfig(server_usd_per_month=80, overhead_usd_per_month=5, servers=10 * MOST_SERVERS)
        full = [costing(f"e{i:03}", 100, PARTS) for i in range(MOST_SERVERS)]
        most, large, small = (
            costing("most", 90, 9 * PARTS // 10),
            costing("large", 10, PARTS // 5),
            costing("small", 1, PARTS // 20),
        )
        moves = cheapest([*full, most, large, small], local)
        assert moves == {line.eval for line in (*full, most, small)}


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

    def test_a_count_that_is_none_tells_nothing(self) -> None:
        run = made("triage", "gpt", "api", 10)
        absurd = replace(run.results[0], response=replace(run.results[0].response, prompt_tokens=10**400))
        found = usage(replace(run, results=(absurd, *run.results[1:])))
        assert found is not None
        assert (found.n, found.prompt_tokens, found.tries) == (9, 300, pytest.approx(1 + 1 / 9))

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
