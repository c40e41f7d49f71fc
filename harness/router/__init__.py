"""Route production calls to backends, with fallback, and log them.

May import report, tasks and everything below them.
Never here: evaluation, gates.

async with ModelRouter.from_file("routing.toml") as router:
        reply = await router.chat.completions.create(task="ticket_triage", messages=[…])   # as the OpenAI SDK's
        answer = await router.ask("ticket_triage", text="I was charged twice")             # prompt and contract too

A call goes through its tiers one after another (`_chain.py`), past backends that are known to be down (`_breaker.py`),
which are tried in the background until they answer again (`_member.py`). What came of it goes to the store in a thread
of its own (`_log.py`). What each key of the file means: docs/routing.md.
"""

from __future__ import annotations

from harness.router._ask import Answer
from harness.router._router import ModelRouter
from harness.router._stream import RoutedStream

__all__ = ["Answer", "ModelRouter", "RoutedStream"]
