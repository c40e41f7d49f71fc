"""Fake runs. No model made these replies: `fake_run` invents what a rambling small model might say, from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from harness.core.types import CallError, Case, Manifest, Reading, Response, Result, Run, Score

LABELS = ("billing", "technical", "general")

TEXTS = {
    "billing": (
        "Hi, I was charged twice for the March invoice (INV-20931), can you refund one of them please",
        "why is there 29,99 EUR on my card?? I cancelled in january. I want my money back NOW",
        "Hello dear team, my company need the VAT number on the invoices, where I can put it? Thanks and best regards",
        "The upgrade to Pro was pro-rated, but I think the amount on the bill does not match the pricing page at all.",
    ),
    "technical": (
        "the billing page crashes with a white screen when I click Download PDF, Firefox 128, console says TypeError",
        "API returns 502 since this morning on /v2/export, about one request in five, nothing changed on our side.",
        "cant log in. reset mail never arrives, checked spam, tried 3 times, please fix asap we have a demo today!!!",
        "After the update the desktop app eats 4 GB of memory, then freezes; log:\n[ERR] worker 3 exited (137)",
    ),
    "general": (
        "Do you offer a discount for schools? Also, is there a phone number I could call?",
        "I just wanted to say that your support has been wonderful, special thanks to Miriam!",
        "What are your office hours over easter, and do you have a branch in Lyon",
        "Where can I read your privacy policy? I could not find it on the new website.",
    ),
}


def fake_case(i: int = 0, expected: Any = "billing", text: str = "", tags: tuple[str, ...] = ()) -> Case:
    """One case."""
    inputs = {"text": text or f"ticket {i}"}
    return Case(f"t-{i:04}", inputs, expected, tags, "test", "author", digest=f"d{i}")


def fake_result(
    case: Case, text: str = "", read: tuple[Any, Any] = (None, None), codes: Sequence[str] = (), **more: Any
) -> Result:
    """One answered case; `read` is what its strict and its lenient reading are."""
    strict, lenient = read
    reading = Reading(strict, lenient, compliant=strict is not None, violations=tuple(codes))
    score = Score(strict == case.expected, lenient == case.expected)
    response = Response(text, "stop", 120, len(text.split()), more.pop("latency", 0.25))
    return Result(case, response, reading, score, f"key-{case.id}", **more)


def fake_error(case: Case, kind: str = "timeout", message: str = "no answer within 60 s") -> Result:
    """One case whose call failed."""
    return Result(case, Response(error=CallError(kind, message)), None, None, f"key-{case.id}", attempts=3)


def fake_manifest(variant: str = "gpt", backend: str = "smollm2", n_cases: int = 1, **more: Any) -> Manifest:
    """A manifest that says all that one can say."""
    remote = backend.startswith("gpt")
    fingerprint = {
        "prompt": f"ticket_triage/v1/{variant}",
        "prompt_hash": f"sha256:{variant}0f3a9c",
        "rendered_hash": f"sha256:{variant}77b1e0",
        "dataset": "ticket_triage",
        "dataset_hash": "sha256:5d41402abc4b",
        "contract": "label/1",
        "contract_hash": "sha256:9a0364b9e99b",
        "sampling": '{"max_tokens": 64, "seed": 0, "temperature": 0.0, "top_p": 1.0}',
        "model": backend,
        "quantization": "" if remote else "Q8_0",
        "engine": "openai" if remote else "llama.cpp",
        "harness": "0.1.0",
    }
    known: dict[str, Any] = {
        "run_id": f"fake-{variant}-{backend}",
        "eval": "ticket_triage",
        "task": "classification",
        "prompt": "ticket_triage/v1",
        "dataset": "ticket_triage",
        "split": "test",
        "limit": None,
        "labels": LABELS,
        "started_at": "2025-06-01T10:00:00Z",
        "fingerprint": fingerprint,
        "finished_at": "2025-06-01T10:04:10Z",
        "cold_start_s": 1.9,
        "wall_s": 250.0,
        "notes": ("a fake run, made for tests",),
    }
    return Manifest(variant=variant, backend=backend, n_cases=n_cases, **(known | more))


def small_run(results: Sequence[Result], variant: str = "gpt", backend: str = "smollm2", **more: Any) -> Run:
    """A run of just these results."""
    n = len({r.case.id for r in results})
    return Run(fake_manifest(variant, backend, **({"n_cases": n} | more)), tuple(results))


def fake_run(n: int = 240, variant: str = "gpt", backend: str = "smollm2", **more: Any) -> Run:
    """`n` cases answered by a model that is right with chance `skill` and keeps to the form with chance `form`.

    The last `errors` calls fail. What else is in `more` goes into the manifest.
    """
    skill, form, errors = more.pop("skill", 0.5), more.pop("form", 0.2), more.pop("errors", 0)
    rng = random.Random(f"{variant}@{backend}")
    results = []
    for i in range(n):
        expected = LABELS[i % 3]
        text = f"{TEXTS[expected][(i // 3) % 4]} (ref {1000 + i})"
        tags = tuple(tag for tag, every in (("hard", 6), ("typos", 5), ("polite", 4)) if i % every == 1)
        case = fake_case(i, expected, text, tags)
        if i >= n - errors:
            results.append(
                fake_error(case, *(("connection", "connection refused by 127.0.0.1:11434") if i % 2 else ()))
            )
            continue
        answer = expected if rng.random() < skill else rng.choice([label for label in LABELS if label != expected])
        reply, read, codes = _phrase(rng, answer) if rng.random() > form else (answer, (answer, answer), ())
        latency = 0.15 + 0.02 * len(reply.split()) * rng.uniform(0.8, 1.6)
        results.append(fake_result(case, reply, read, codes, latency=latency, cached=i % 10 == 0))
    return Run(fake_manifest(variant, backend, n_cases=n, **more), tuple(results))


_REASONS = (
    "The customer writes about an issue that I would file under {}, because the message describes a problem that "
    "belongs there. I hope this helps! Let me know if you have any other tickets for me."
)
_SMALL_TALK = (
    "Thank you for reaching out! I am sorry to hear that you have this problem. Could you please tell me your account "
    "number, so that we can look into it together with our team and find a solution for you?"
)


def _phrase(rng: random.Random, answer: str) -> tuple[str, tuple[str | None, str | None], tuple[str, ...]]:
    other = rng.choice([label for label in LABELS if label != answer])
    ways: list[tuple[str, str | None, tuple[str, ...]]] = [
        (f"The category is: {answer}", answer, ("preamble",)),
        (f"Category: {answer.capitalize()}.", answer, ("preamble", "punctuation", "wrong_case")),
        (f"**{answer}**", answer, ("markdown",)),
        (f"{answer.upper()}\n\n{_REASONS.format(answer)}", answer, ("trailing_text", "wrong_case")),
        (f"This could be {answer} or {other}, depending on what the customer means.", None, ("multiple_labels",)),
        (_SMALL_TALK, None, ("no_answer",)),
        ("I'm sorry, but I can't help with that.", None, ("refusal",)),
        ("billing, technical, general", None, ("prompt_echo", "multiple_labels")),
        ("```\n" + answer + "\n```", answer, ("code_fence",)),
    ]
    reply, lenient, codes = rng.choices(ways, weights=[8, 4, 2, 5, 3, 5, 1, 2, 1])[0]
    return reply, (None, lenient), codes
