"""How many servers of one's own a load needs, what they cost, and what to put on them. Pure.

A server is paid for as soon as the first call needs it, and what is around all of them once. So whether to move an eval
is no matter of this eval alone: all of them together are a knapsack whose size has a price.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.project.config import LocalConfig

PARTS = 1_000_000
"""Loads are added up in millionths of a server: whole numbers, so that it does not matter in which order."""
TIE_USD = 0.005
"""Bills of a month that differ by half a cent are equal."""
MOST_SERVERS = 100
"""With more, what a whole server costs is small against what all of them do."""
MOST_SETS = 100_000
"""More are not looked at side by side."""


def needed(parts: int) -> int:
    """How many servers carry such a load."""
    return -(-parts // PARTS)


def usd(n: int, local: LocalConfig) -> float:
    """What so many servers cost a month, and what is around them."""
    return n * local.server_usd_per_month + local.overhead_usd_per_month if n else 0.0


def cheapest(loads: Sequence[int], gains: Sequence[float], local: LocalConfig) -> int:
    """The set that saves most beyond what its servers cost, as bits: 0b101 is the first and the third.

    `gains` are dollars a month, above 0; what gains most for its load comes first in both. Exact, to the cent, with up
    to `MOST_SERVERS`; with more, evals are added in their order as long as that pays.
    """
    if sum(loads) <= PARTS:  # one server for all of them, or none
        return (1 << len(loads)) - 1 if sum(gains) - usd(1, local) > TIE_USD else 0
    few = min(local.servers, needed(sum(loads))) <= MOST_SERVERS
    return _lowest(loads, gains, local) if few else _as_long_as_it_pays(loads, gains, local)


def _lowest(loads: Sequence[int], gains: Sequence[float], local: LocalConfig) -> int:
    """By Nemhauser & Ullmann (1969): evals one by one, and of the sets so far those that no other beats at its load.

    Each is filled up, for the best bill so far, and filled up as if evals could be divided (Dantzig 1957), for the best
    that may come of it: what cannot become better is left out.
    """
    import numpy as np

    most = min(local.servers, needed(sum(loads)))
    loads_so_far, gains_so_far = np.cumsum([0, *loads]), np.cumsum([0.0, *gains])
    load, gain = np.zeros(1, dtype=np.int64), np.zeros(1)
    chosen = np.zeros(1, dtype=object)  # whole numbers of any length, as there may be more than 64 evals
    best, found = 0.0, 0
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
                best, found = float(worth.max()) - cost, _filled(int(load[of]), chosen[of], loads, i, room)
        keep = hope > best + TIE_USD
        if not 0 < keep.sum() <= MOST_SETS:  # no set can become better, or there are too many that differ by cents
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
    return found


def _filled(load: int, chosen: int, loads: Sequence[int], start: int, room: int) -> int:
    """A set with whatever else fits, in its order."""
    for j in range(start, len(loads)):
        if load + loads[j] <= room:
            load, chosen = load + loads[j], chosen | (1 << j)
    return chosen


def _as_long_as_it_pays(loads: Sequence[int], gains: Sequence[float], local: LocalConfig) -> int:
    """The first so many that save most beyond their servers, and what else these have room for, as bits."""
    best, first, taken, load, gain = 0.0, 0, 0, 0, 0.0
    for i, (size, value) in enumerate(zip(loads, gains, strict=True), 1):
        load, gain = load + size, gain + value
        net = gain - usd(needed(load), local)
        if load <= local.servers * PARTS and net > best + TIE_USD:
            best, first, taken = net, i, load
    return _filled(taken, (1 << first) - 1, loads, first, needed(taken) * PARTS)
