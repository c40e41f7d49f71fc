"""Number and cost of local servers for a load, and the choice of evals to put on them. Pure.

A server is paid for in full as soon as one call needs it, and the overhead is paid once. So evals cannot be decided
one by one: the choice is a knapsack problem whose capacity has a price.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.project.config import LocalConfig

PARTS = 1_000_000
"""Loads are integers, in millionths of a server, so that sums do not depend on their order."""
TIE_USD = 0.005
"""Monthly bills that differ by less than half a cent count as equal."""
MOST_SERVERS = 100
"""With more servers, the exact search is replaced by a greedy one: one server is then a small part of the bill."""
MOST_SETS = 100_000
"""The most sets that the search keeps at a time."""


def needed(parts: int) -> int:
    """Number of servers for a load in `PARTS`."""
    return -(-parts // PARTS)


def usd(n: int, local: LocalConfig) -> float:
    """Monthly cost of `n` servers and their overhead."""
    return n * local.server_usd_per_month + local.overhead_usd_per_month if n else 0.0


def cheapest(loads: Sequence[int], gains: Sequence[float], local: LocalConfig) -> int:
    """Find the set with the largest savings after the cost of its servers.

    Args:
        loads: Loads in `PARTS`, in descending order of gain per load.
        gains: USD a month, above 0, in the same order.
        local: Prices and the number of allowed servers.

    Returns:
        The set as bits: 0b101 is the first and the third. Exact to the cent with up to `MOST_SERVERS`; with more, evals
        are added in their order as long as that pays.
    """
    if sum(loads) <= PARTS:  # one server for all of them, or none
        return (1 << len(loads)) - 1 if sum(gains) - usd(1, local) > TIE_USD else 0
    few = min(local.servers, needed(sum(loads))) <= MOST_SERVERS
    return _lowest(loads, gains, local) if few else _as_long_as_it_pays(loads, gains, local)


def _lowest(loads: Sequence[int], gains: Sequence[float], local: LocalConfig) -> int:
    """Nemhauser & Ullmann (1969): add evals one by one and keep the sets that no other set beats at its load.

    Bounds prune the search. Filling a set greedily gives a lower bound of its savings; filling it as if evals could be
    divided (Dantzig 1957) gives an upper bound.
    """
    import numpy as np

    most = min(local.servers, needed(sum(loads)))
    loads_so_far, gains_so_far = np.cumsum([0, *loads]), np.cumsum([0.0, *gains])
    load, gain = np.zeros(1, dtype=np.int64), np.zeros(1)
    chosen = np.zeros(1, dtype=object)  # Python integers, because there may be more than 64 evals
    best, best_set = 0.0, 0
    for i in range(len(loads)):
        hope = np.full(len(load), -np.inf)
        for n in range(1, most + 1):
            room, cost = n * PARTS, usd(n, local)
            there = np.flatnonzero(load <= room)
            if not len(there):
                continue
            full, worth = load[there], gain[there]
            filled = np.interp(room - full + loads_so_far[i], loads_so_far, gains_so_far) - gains_so_far[i]
            hope[there] = np.maximum(hope[there], worth + filled - cost)
            for j in range(i, len(loads)):
                fits = full + loads[j] <= room
                full, worth = full + fits * loads[j], worth + fits * gains[j]
            if worth.max() - cost > best + TIE_USD:
                of = there[worth.argmax()]
                best, best_set = float(worth.max()) - cost, _filled(int(load[of]), chosen[of], loads, i, room)
        keep = hope > best + TIE_USD
        if not 0 < keep.sum() <= MOST_SETS:  # no set can improve, or too many sets differ by cents
            break
        load, gain, chosen = load[keep], gain[keep], chosen[keep]
        fits = load + loads[i] <= most * PARTS
        load = np.concatenate([load, load[fits] + loads[i]])
        gain = np.concatenate([gain, gain[fits] + gains[i]])
        chosen = np.concatenate([chosen, chosen[fits] | (1 << i)])
        order = np.lexsort((-gain, load))
        load, gain, chosen = load[order], gain[order], chosen[order]
        ahead = np.concatenate([[-np.inf], np.maximum.accumulate(gain)[:-1]])
        load, gain, chosen = load[gain > ahead], gain[gain > ahead], chosen[gain > ahead]
    return best_set


def _filled(load: int, chosen: int, loads: Sequence[int], start: int, room: int) -> int:
    """Fill a set with whatever else fits, in order."""
    for j in range(start, len(loads)):
        if load + loads[j] <= room:
            load, chosen = load + loads[j], chosen | (1 << j)
    return chosen


def _as_long_as_it_pays(loads: Sequence[int], gains: Sequence[float], local: LocalConfig) -> int:
    """Greedy choice: the prefix with the largest net savings, then whatever else fits on its servers."""
    best, first, taken, load, gain = 0.0, 0, 0, 0, 0.0
    for i, (size, value) in enumerate(zip(loads, gains, strict=True), 1):
        load, gain = load + size, gain + value
        net = gain - usd(needed(load), local)
        if load <= local.servers * PARTS and net > best + TIE_USD:
            best, first, taken = net, i, load
    return _filled(taken, (1 << first) - 1, loads, first, needed(taken) * PARTS)
