"""Probabilities of the first token: how sure a model is, which flips do not show.

A quantized model can keep its answers while it becomes less sure of them. If the server reports log-probabilities, two
runs are compared by the first token of each reply, which for a label decides the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.stats import Mean, PairedMean, mean, paired_mean
from harness.core.types import Result

FLOOR = 1e-6
"""Least probability of a token that a server does not list. It lists only the likeliest."""

_AROUND = " \t\r\n\"'`*{[(▁Ġ"
"""Characters around a label at the start of a reply, and markers of a space in tokenizers."""


@dataclass(frozen=True, slots=True)
class TokenProbabilities:
    """The first tokens of two runs over `n` cases.

    `divergence`: mean KL divergence of the second run from the first, in nats. `gold`: mean difference of the
    probability of the expected label, second minus first; `None` if cases expect no labels.
    """

    n: int
    divergence: Mean
    gold: PairedMean | None


def compare_probabilities(base: Sequence[Result], head: Sequence[Result]) -> TokenProbabilities | None:
    """Compare the first tokens of the cases that both runs have with log-probabilities; `None` if there are none."""
    first, second = _by_case(base), _by_case(head)
    shared = [case_id for case_id in first if case_id in second]
    if not shared:
        return None
    divergences = [
        divergence(first[case_id].response.first_token, second[case_id].response.first_token) for case_id in shared
    ]
    labels = [
        (result.case.expected, first[case_id].response.first_token, second[case_id].response.first_token)
        for case_id in shared
        if isinstance((result := first[case_id]).case.expected, str)
    ]
    differences = [
        gold_probability(after, label) - gold_probability(before, label)
        for label, before, after in labels
        if isinstance(label, str)
    ]
    gold = paired_mean(differences, bounds=(-1.0, 1.0)) if differences else None
    return TokenProbabilities(len(shared), mean(divergences), gold)


def divergence(p: Sequence[tuple[str, float]], q: Sequence[tuple[str, float]]) -> float:
    """Return the Kullback–Leibler divergence of `q` from `p` in nats, over the listed tokens and the rest.

    A token that `q` does not list has at most the probability of the rest of `q`, and at least `FLOOR`.
    """
    left, right = _probabilities(p), _probabilities(q)
    rest_left, rest_right = (max(FLOOR, 1 - math.fsum(side.values())) for side in (left, right))
    unlisted = max(FLOOR, rest_right / max(1, len(left.keys() - right.keys()) + 1))
    parts = [prob * math.log(prob / right.get(token, unlisted)) for token, prob in left.items() if prob > 0]
    return max(0.0, math.fsum(parts) + rest_left * math.log(rest_left / rest_right))


def gold_probability(tokens: Sequence[tuple[str, float]], label: str) -> float:
    """Return the probability that a reply starts like the label: of the tokens that are a beginning of it."""
    wanted = label.strip().casefold()
    starts = ((text.strip(_AROUND).casefold(), logprob) for text, logprob in tokens)
    return min(1.0, math.fsum(math.exp(logprob) for text, logprob in starts if text and wanted.startswith(text)))


def _probabilities(tokens: Sequence[tuple[str, float]]) -> Mapping[str, float]:
    return {token: math.exp(logprob) for token, logprob in tokens}


def _by_case(results: Sequence[Result]) -> dict[str, Result]:
    """The first result of each case that has log-probabilities."""
    found: dict[str, Result] = {}
    for result in results:
        if result.response.first_token and result.response.error is None:
            found.setdefault(result.case.id, result)
    return found
