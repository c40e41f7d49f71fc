"""The field report's team as a project: its six tasks, volumes and models, and generated runs.

The report gives calls a day and dollars a month, not tokens. The tokens here are plausible for each kind of task, and
their cost equals the team's bill at list prices in USD per million tokens: GPT-4o (2.50 and 10.00), GPT-4o-mini (0.15
and 0.60), and text-embedding-3-large (0.13):

    a ticket and its instructions, one word back            300 in,   5 out
    a short invoice, a record of a few fields               240 in,  60 out
    a thread, 60 words back                                 440 in,  90 out
    tools described, several turns of one chain           1,600 in, 200 out
    a comment and the rules, one word back                  480 in,  10 out
    a question to a help center                             100 in
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harness.core.types import CallError, Case, Manifest, Reading, Response, Result, Run, Score
from harness.store.runs import Store

from .project import Project


@dataclass(frozen=True)
class Task:
    """One row of the report's table: its monthly cost, and the assumed tokens."""

    name: str
    task: str
    backend: str
    daily_calls: int
    usd_a_month: float
    prompt_tokens: int
    completion_tokens: int
    keys: str = ""


TASKS = (
    Task("ticket_triage", "classification", "gpt-4o", 2000, 48.0, 300, 5, 'labels = ["a", "b"]'),
    Task("invoice_fields", "extraction", "gpt-4o", 1500, 54.0, 240, 60),
    Task("summaries", "summarization", "gpt-4o", 500, 30.0, 440, 90),
    Task("agent", "tool_calling", "gpt-4o", 200, 36.0, 1600, 200),
    Task("moderation", "moderation", "gpt-4o-mini", 3000, 7.0, 480, 10),
    Task("search", "embedding", "embeddings", 5000, 2.0, 100, 0),
)

CONFIG = """\
[pair]
reference = "gpt-4o"
candidate = "mistral-vllm"

[backends.gpt-4o]
provider = "openai"
model = "gpt-4o"
variant = "gpt"

[backends.gpt-4o-mini]
provider = "openai"
model = "gpt-4o-mini"
variant = "gpt"

[backends.embeddings]
provider = "openai"
model = "text-embedding-3-large"
variant = "gpt"
serves = ["embeddings"]

[backends.mistral-vllm]
provider = "vllm"
base_url = "http://vllm.internal:8000/v1"
model = "mistral-7b"
variant = "local"
"""


MODELS = {"mistral-vllm": "mistral-7b", "embeddings": "text-embedding-3-large"}
"""What `CONFIG` calls the models whose backends have another name."""


def field_report(project: Project) -> Project:
    """Replace the small project's files by the team's."""
    (project.root / "evals" / "triage.toml").unlink(missing_ok=True)
    project.config(CONFIG)
    for task in TASKS:
        traffic = f'[traffic]\ndaily_calls = {task.daily_calls}\nbackend = "{task.backend}"\n'
        head = f'task = "{task.task}"\nprompt = "triage"\ndataset = "tickets"\n{task.keys}\n'
        project.write(f"evals/{task.name}.toml", f"{head}\n{traffic}")
    return project


def runs(store: Store, n: int = 400, lost: int = 2) -> None:
    """Save a run of each task on the team's model, and on the candidate, which has `lost` more wrong answers."""
    for task in TASKS:
        store.add(made(task.name, "gpt", task.backend, n, 0, (task.prompt_tokens, task.completion_tokens)))
        if task.task != "embedding":
            tokens = (task.prompt_tokens + 40, task.completion_tokens + 2)
            store.add(made(task.name, "local", "mistral-vllm", n, lost, tokens))


FAILED = Response(error=CallError("timeout", "no answer in time"))
STARTED = datetime(2026, 11, 24, 12, tzinfo=UTC)


def made(
    name: str,
    variant: str,
    backend: str,
    n: int,
    wrong: int = 0,
    tokens: tuple[int, int] = (300, 5),
    *,
    latency_s: float = 0.5,
    at_once: int = 4,
    badly_put: int = 0,
    limit: int | None = None,
    attempts: int = 1,
    cached: bool = False,
    decoding: str = "free",
    run_id: str = "",
    labels: tuple[str, ...] = (),
    fingerprint: Mapping[str, str] | None = None,
    failed: int = 0,
    started: datetime = STARTED,
) -> Run:
    """Return a finished run: `n` cases answered in order, `at_once` at a time.

    Wrong are the first `wrong`, and right but breaking the contract the `badly_put` after them; the last `failed` calls
    got no answer. `fingerprint`: what the run tells of itself beside its model.
    """
    results = []
    for i in range(n):
        put = wrong <= i < wrong + badly_put
        right = i >= wrong
        ended = started + timedelta(seconds=latency_s * (i // at_once + 1))
        results.append(
            Result(
                case=Case(f"c-{i:04}", {"text": f"ticket {i}"}, "a", split="test", digest=f"d{i}"),
                response=FAILED if i >= n - failed else Response("a", "stop", *tokens, latency_s=latency_s),
                reading=None
                if i >= n - failed
                else Reading(
                    strict=None if put else "a" if right else "b",
                    lenient="a" if right else "b",
                    compliant=not put,
                    violations=("preamble",) if put else (),
                ),
                score=None if i >= n - failed else Score(right and not put, right),
                request_key=f"{name}-{variant}-{backend}-{i}",
                attempts=attempts,
                cached=cached,
                answered_at=ended.isoformat(timespec="milliseconds"),
            )
        )
    manifest = Manifest(
        run_id=run_id or f"{name}-{variant}-{backend}-{decoding}-{wrong}-{limit}",
        eval=name,
        task="classification",  # the replies have this form for every task
        variant=variant,
        backend=backend,
        prompt="triage/v1",
        dataset="tickets",
        split="test",
        limit=limit,
        labels=labels,
        n_cases=n,
        started_at=started.isoformat(timespec="milliseconds"),
        finished_at=(started + timedelta(hours=1)).isoformat(timespec="milliseconds"),
        fingerprint={"model": MODELS.get(backend, backend), **(fingerprint or {})},
        wall_s=3600.0,
        decoding="constrained" if decoding == "constrained" else "free",
    )
    return Run(manifest, tuple(results))
