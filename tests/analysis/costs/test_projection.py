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
from harness.analysis.costs.advice_types import Advice
from harness.analysis.costs.capacity import MOST_SERVERS, PARTS
from harness.analysis.costs.projection import (
    FEW,
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
        eval_advice = advice.of(task.name)
        assert eval_advice is not None
        assert eval_advice.cost.current_usd == pytest.approx(task.usd_a_month, rel=0.1)

    def test_sum_lands_within_ten_percent(self, advice: Advice) -> None:
        assert advice.bill.current_usd == pytest.approx(sum(task.usd_a_month for task in TASKS), rel=0.1)

    def test_batches_cost_half(self, advice: Advice) -> None:
        assert advice.bill.batch_usd == pytest.approx(advice.bill.current_usd / 2)

    def test_hybrid_cost_is_the_staying_evals_plus_one_server(self, advice: Advice) -> None:
        """Agents stay, and so do embeddings, which the candidate does not serve: $36 and $2; the server is 80 + 5."""
        bill = advice.bill
        assert bill.moved == {"ticket_triage", "invoice_fields", "summaries", "moderation"}
        assert bill.stays_usd == pytest.approx(38, rel=0.1)
        assert bill.server_usd(bill.moving) == 85
        assert bill.hybrid_usd == pytest.approx(38 + 85, rel=0.1)

    def test_server_shares_add_up_and_each_moved_eval_saves(self, advice: Advice) -> None:
        bill = advice.bill
        assert sum(map(bill.share_usd, bill.lines)) == pytest.approx(85)
        saved = [bill.saved_usd(line) for line in bill.moving]
        assert all(amount is not None and amount > 0 for amount in saved)
        assert sum(amount or 0 for amount in saved) == pytest.approx(bill.current_usd - bill.hybrid_usd)


USAGE = Usage("r", "gpt@api", "api", 100, True, 300, 5, 1.0, 400, 2.0, 0.5)
LINE = EvalCost(
    "e", "classification", 2000, "api", "home", USAGE, USAGE, Price(2.5, 10.0, None, ""), None, True, 3.0, 85.0
)


class TestALine:
    def test_break_even_is_where_the_server_costs_the_same(self) -> None:
        """0.0008 USD a call: 85 USD buy 106,250 calls, 3,541.67 a day."""
        assert LINE.break_even == 3542
        there = replace(LINE, daily_calls=3542)
        below = replace(LINE, daily_calls=3541)
        assert (there.current_usd or 0) >= 85 > (below.current_usd or 0)

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

    def test_break_even_ignores_float_noise(self) -> None:
        """0.00375 USD a call: 90 USD buy 24,000 calls, 800 a day."""
        used = replace(USAGE, prompt_tokens=1000.0, completion_tokens=50.0)
        line = replace(LINE, current_usage=used, current_price=Price(3.0, 15.0, None, ""), fixed_usd=90.0)
        assert line.break_even == 800

    def test_no_break_even_beyond_the_capacity_of_a_server(self) -> None:
        """At a peak of 3, 0.123 calls a second are 3,542 a day, and 0.1229 are 3,539."""
        just = replace(LINE, candidate_usage=replace(USAGE, calls_per_s=0.123))
        slower = replace(LINE, candidate_usage=replace(USAGE, calls_per_s=0.1229))
        assert (just.capacity, just.break_even, just.never_breaks_even) == (3542, 3542, False)
        assert (slower.capacity, slower.break_even, slower.never_breaks_even) == (3539, None, True)

    def test_unknown_throughput_does_not_limit_the_break_even(self) -> None:
        silent = replace(LINE, candidate_usage=replace(USAGE, calls_per_s=None))
        assert (silent.capacity, silent.break_even, silent.never_breaks_even) == (None, 3542, False)

    def test_free_or_unpriced_models_have_no_break_even(self) -> None:
        free = replace(LINE, current_price=Price(0.0, 0.0, None, ""))
        assert (free.break_even, free.never_breaks_even) == (None, True)
        unpriced = replace(LINE, current_price=None)
        assert (unpriced.break_even, unpriced.never_breaks_even) == (None, False)

    @pytest.mark.parametrize("usd", [5e-324, 1e-300, 1e300, math.inf])
    def test_absurd_price_is_no_error(self, usd: float) -> None:
        line = replace(LINE, current_price=Price(usd, usd, None, ""))
        bill = CostProjection((line,), frozenset({"e"}), LocalConfig(server_usd_per_month=sys.float_info.max))
        assert line.break_even == (None if usd < 1 else 0 if usd == math.inf else 1)
        assert bill.hybrid_usd == bill.advised.usd == sys.float_info.max
        assert cheapest([line], LocalConfig()) == ({"e"} if usd > 1 else set())

    def test_absurd_volume_is_no_error(self) -> None:
        line = replace(LINE, daily_calls=10**400)
        bill = CostProjection((line,), frozenset({"e"}), LocalConfig())
        assert bill.current_usd > bill.hybrid_usd > 0
        assert cheapest([line], LocalConfig()) == set()  # no server carries it

    def test_load_is_peak_rate_over_measured_rate(self) -> None:
        assert LINE.load == pytest.approx(3 * 2000 / 86_400 / 2.0)
        assert LINE.capacity == 57_600
        assert replace(LINE, daily_calls=57_600).load == pytest.approx(1.0)

    def test_retries_are_billed(self) -> None:
        retried = replace(LINE, current_usage=replace(USAGE, attempts=1.25))
        assert retried.current_usd == pytest.approx(1.25 * 48)

    def test_unknown_price_or_usage_is_not_zero(self) -> None:
        assert replace(LINE, current_price=None).current_usd is None
        assert replace(LINE, current_usage=None).current_usd is None
        bill = CostProjection((LINE, replace(LINE, eval="other", current_price=None)), frozenset(), LocalConfig())
        assert bill.unknown == ("other",)
        assert bill.current_usd == pytest.approx(48)

    def test_api_candidate_has_no_server(self) -> None:
        mini = replace(LINE, local=False, candidate_price=Price(0.15, 0.6, None, ""))
        assert mini.candidate_usd == pytest.approx(60_000 * (300 * 0.15 + 5 * 0.6) / 1e6)
        assert (mini.load, mini.break_even) == (None, None)
        bill = CostProjection((mini,), frozenset({"e"}), LocalConfig())
        assert bill.hybrid_usd == mini.candidate_usd


MINI = replace(LINE, candidate="mini", local=False, candidate_price=Price(0.15, 0.6, None, ""))


def sums_of(*lines: EvalCost, moved: str = "") -> dict[str, CostTotal]:
    bill = CostProjection(lines, frozenset(moved.split()), LocalConfig())
    return {"today": bill.current, "batch": bill.batch, "advised": bill.advised, "all": bill.all_moved}


class TestSums:
    def test_complete_sums_equal_the_bill(self) -> None:
        bill = CostProjection((LINE, replace(LINE, eval="other")), frozenset({"e"}), LocalConfig())
        result = (bill.current, bill.batch, bill.advised, bill.all_moved)
        assert [each.usd for each in result] == [bill.current_usd, bill.batch_usd, bill.hybrid_usd, bill.all_moved_usd]
        assert all((each.known, each.of, each.missing, each.estimated) == (2, 2, (), False) for each in result)

    def test_candidate_without_a_run_is_unknown_and_not_zero(self) -> None:
        result = sums_of(replace(MINI, candidate_usage=None))
        assert result["today"].usd == pytest.approx(48)
        assert (result["all"].usd, result["all"].missing) == (None, ("e",))

    @pytest.mark.parametrize("unknown", [{"candidate_usage": None}, {"candidate_price": None}])
    def test_each_sum_lists_its_missing_evals(self, unknown: dict[str, None]) -> None:
        result = sums_of(MINI, replace(MINI, eval="other", **unknown))
        assert (result["today"].usd, result["today"].missing) == (pytest.approx(96), ())
        assert (result["all"].usd, result["all"].missing, result["all"].known) == (MINI.candidate_usd, ("other",), 1)

    @pytest.mark.parametrize("unknown", [{"current_usage": None}, {"current_price": None}])
    def test_sums_cover_the_same_evals(self, unknown: dict[str, None]) -> None:
        """Of `other` nobody knows today's cost, so what it would cost there is in no sum either."""
        result = sums_of(MINI, replace(MINI, eval="other", **unknown))
        assert [each.usd for each in result.values()] == [pytest.approx(48), pytest.approx(24), 48, MINI.candidate_usd]
        assert {each.missing for each in result.values()} == {("other",)}

    def test_servers_are_those_of_the_known_evals(self) -> None:
        busy = replace(LINE, eval="busy", daily_calls=57_600, current_price=None)
        assert sums_of(LINE, busy)["all"].usd == 85

    def test_evals_without_load_need_at_least_one_server(self) -> None:
        result = sums_of(LINE, replace(LINE, eval="other", candidate_usage=None))
        assert (result["all"].usd, result["all"].missing) == (85, ("other",))

    def test_sums_without_runs_are_unknown(self) -> None:
        result = sums_of(replace(LINE, current_usage=None, candidate_usage=None))
        assert [each.usd for each in result.values()] == [None] * 4
        assert [each.usd for each in sums_of().values()] == [None] * 4

    def test_estimate_marks_only_sums_that_contain_it(self) -> None:
        """The candidate's own tokens are measured; what it does not serve stays where it is, by guessed tokens."""
        result = sums_of(replace(MINI, estimated=True), moved="e")
        assert [each.estimated for each in result.values()] == [True, True, False, False]
        assert sums_of(replace(MINI, candidate="", estimated=True))["all"].estimated
        assert not sums_of(replace(MINI, estimated=True, current_price=None))["today"].estimated


def test_few_calls_or_a_sample_are_rough() -> None:
    assert not USAGE.is_rough
    assert replace(USAGE, is_complete=False).is_rough
    assert replace(USAGE, n=FEW - 1).is_rough


def test_second_server_is_added_when_one_is_full() -> None:
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
    def test_chosen_evals_make_the_bill_lowest(
        self, servers: int, specs: list[tuple[str, float, float]], moves: set[str]
    ) -> None:
        assert moved(servers, *specs) == moves
        assert moved(servers, *reversed(specs)) == moves

    @given(
        servers=st.integers(1, 4),
        prices=st.tuples(st.integers(0, 100), st.integers(0, 10)),
        specs=st.lists(st.tuples(st.integers(0, 120), st.integers(1, 30)), max_size=7),
    )
    def test_no_subset_has_a_lower_bill(
        self, servers: int, prices: tuple[int, int], specs: list[tuple[int, int]]
    ) -> None:
        local = LocalConfig(server_usd_per_month=prices[0], overhead_usd_per_month=prices[1], servers=servers)
        lines = tuple(costing(f"e{i}", usd, load * PARTS // 20) for i, (usd, load) in enumerate(specs))
        parts = [frozenset(names) for n in range(len(lines) + 1) for names in combinations([x.eval for x in lines], n)]
        bills = [CostProjection(lines, part, local) for part in parts]
        lowest = min(bill.hybrid_usd for bill in bills if bill.servers(bill.moving) <= servers)
        result = CostProjection(lines, cheapest(lines, local), local)
        assert result.servers(result.moving) <= servers
        assert result.hybrid_usd <= lowest + 0.01
        assert all((result.saved_usd(line) or 0) > 0 for line in result.moving)

    def test_load_that_fits_exactly_ignores_float_noise(self) -> None:
        """Twenty times 0.05 are not 1, by floats, and six times a sixth are not by rounding."""
        for n in (3, 6, 7, 20):
            lines = [replace(costing(f"e{i}", 30, PARTS), daily_calls=100) for i in range(n)]
            lines = [replace(x, candidate_usage=replace(USAGE, calls_per_s=300 / 86_400 * n)) for x in lines]
            assert CostProjection(tuple(lines), frozenset(), LocalConfig()).servers(lines) == 1
            assert len(cheapest(lines, LocalConfig())) == n

    @pytest.mark.parametrize("usd_for_its_load", [110, 95])
    def test_dozens_of_equal_evals_are_solved_fast(self, usd_for_its_load: float) -> None:
        """Four full servers are the most that can be saved by, and many sets come close."""
        loads = [30_000 + 7919 * i % 300_001 for i in range(60)]
        lines = [costing(f"e{i:02}", usd_for_its_load * load / PARTS, load) for i, load in enumerate(loads)]
        bill = CostProjection(tuple(lines), cheapest(lines, LocalConfig(servers=4)), LocalConfig(servers=4))
        assert bill.current_usd - bill.hybrid_usd == pytest.approx(4 * usd_for_its_load - 4 * 80 - 5, abs=0.02)

    def test_hundreds_of_servers_take_the_largest_savings_first(self) -> None:
        local = LocalConfig(servers=10 * MOST_SERVERS)
        lines = [costing(f"e{i:03}", usd, PARTS) for i in range(MOST_SERVERS) for usd in (79, 81)]
        lines = [replace(line, eval=f"{line.eval}-{i}") for i, line in enumerate(lines)]
        bill = CostProjection(tuple(lines), cheapest(lines, local), local)
        assert bill.servers(bill.moving) == MOST_SERVERS
        assert {round(line.current_usd or 0) for line in bill.moving} == {81}

    def test_free_room_on_servers_is_filled(self) -> None:
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
    def test_usage_is_the_mean_over_judged_calls(self) -> None:
        result = usage(made("triage", "gpt", "api", 50, attempts=2))
        assert result is not None
        assert (result.n, result.prompt_tokens, result.completion_tokens, result.attempts) == (50, 300, 5, 2.0)
        assert result.latency_p95_s == 0.5

    def test_context_cases_are_not_calls(self) -> None:
        run = made("search", "gpt", "api", 10)
        passages = [replace(r, case=replace(r.case, expected=None)) for r in run.results[:4]]
        result = usage(replace(run, results=(*passages, *run.results[4:])))
        assert result is not None
        assert result.n == 6

    def test_invalid_token_counts_are_ignored(self) -> None:
        run = made("triage", "gpt", "api", 10)
        absurd = replace(run.results[0], response=replace(run.results[0].response, prompt_tokens=10**400))
        result = usage(replace(run, results=(absurd, *run.results[1:])))
        assert result is not None
        assert (result.n, result.prompt_tokens, result.attempts) == (9, 300, pytest.approx(1 + 1 / 9))

    def test_run_without_token_counts_has_no_usage(self) -> None:
        run = made("triage", "gpt", "api", 10)
        silent = tuple(replace(r, response=replace(r.response, prompt_tokens=None)) for r in run.results)
        assert usage(replace(run, results=silent)) is None


class TestThroughput:
    @pytest.mark.parametrize(("at_once", "per_s"), [(1, 2.0), (4, 8.0), (8, 16.0)])
    def test_throughput_counts_only_time_with_open_calls(self, at_once: int, per_s: float) -> None:
        run = made("triage", "local", "home", 40, latency_s=0.5, at_once=at_once)
        assert throughput(run.results) == pytest.approx(per_s)

    def test_pauses_between_sessions_do_not_count(self) -> None:
        first = list(made("triage", "local", "home", 20, at_once=1).results)
        later = [replace(r, answered_at=r.answered_at.replace("T12", "T19")) for r in first]
        assert throughput([*first, *later]) == pytest.approx(2.0)

    def test_throughput_without_times_is_unknown(self) -> None:
        run = made("triage", "local", "home", 4)
        assert throughput([replace(r, answered_at="") for r in run.results]) is None
        assert throughput([]) is None
