"""How many requests are in flight to one backend, and when the next one may start.

`_slots` finds how many at once, `_limits` keeps to so many a minute and to what a server says is left, `_retries` says
how often and when to ask again. `Pace` is the three of them with a queue in front.
"""

from harness.runner.pacing.limits import seconds
from harness.runner.pacing.pace import LONGEST_PAUSE_S, Pace, Turn
from harness.runner.pacing.retries import retry_wait_s
from harness.runner.pacing.slots import MOST, AdaptiveLimit

__all__ = ["LONGEST_PAUSE_S", "MOST", "AdaptiveLimit", "Pace", "Turn", "retry_wait_s", "seconds"]
