"""How many requests are in flight to one backend, and when the next one may start.

pace      Pace: one queue per backend, with the three parts below
slots     AdaptiveLimit: finds the best number of requests in flight
cohort    latency samples that AdaptiveLimit compares
limits    limits per minute, and the server's `x-ratelimit-*` headers
retries   retry budget and waits between attempts
"""

from harness.runner.pacing.limits import parse_duration
from harness.runner.pacing.pace import LONGEST_PAUSE_S, Pace, Turn
from harness.runner.pacing.retries import retry_wait_s
from harness.runner.pacing.slots import MOST, AdaptiveLimit

__all__ = ["LONGEST_PAUSE_S", "MOST", "AdaptiveLimit", "Pace", "Turn", "parse_duration", "retry_wait_s"]
