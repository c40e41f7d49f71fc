"""Summarization metrics: comparison with references, facts and sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.analysis.metrics._inventions import invented_names, invented_numbers
from harness.analysis.metrics._statements import has_fact, states
from harness.analysis.stats import Mean, Rate, clustered_rate, mean
from harness.core.extras import needed
from harness.core.types import JSON, Case, Result

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.chrf import CHRF

_WORDS = re.compile(r"\w+")
_COMPARED = 4_000
"""Most characters that ROUGE-L and chrF compare. The time of ROUGE-L is the product of both lengths."""


@dataclass(frozen=True, slots=True)
class SummaryFindings:
    """Errors of one summary: missed facts, forbidden statements, invented numbers and names.

    A fact is named by its first phrasing.
    """

    missed: tuple[str, ...]
    stated: tuple[str, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]
    n_facts: int

    @property
    def right(self) -> bool:
        """Whether all facts are present, and nothing is forbidden or invented."""
        return not (self.missed or self.stated or self.numbers or self.names)

    @property
    def fact_recall(self) -> float | None:
        """Share of the expected facts that are present, 0..1; `None` if no facts are expected."""
        return 1 - len(self.missed) / self.n_facts if self.n_facts else None


@dataclass(frozen=True, slots=True)
class SummarizationMetrics:
    """Metrics of a run, for the lenient answers. Means are over cases, 0..1; a case without text counts 0.

    Attributes:
        made_up_numbers: Share of cases with text whose text has an invented number.
        made_up_names: Share of cases with text whose text has an invented name.
        stated: Share of cases with text whose text makes a forbidden statement.
    """

    rouge_l: Mean
    chrf: Mean
    fact_recall: Mean
    made_up_numbers: Rate
    made_up_names: Rate
    stated: Rate
    n_texts: int


def phrasings(fact: JSON) -> list[str]:
    """Return the phrasings of a fact, which is one phrasing or a list."""
    return [fact] if isinstance(fact, str) else list(fact)


def find(case: Case, text: str) -> SummaryFindings:
    """Check `text` against the facts of `case`, and find numbers and names that are not in its inputs or reference."""
    expected = case.expected
    facts = [phrasings(fact) for fact in expected.get("facts", ())]
    banned = [phrasings(fact) for fact in expected.get("must_not", ())]
    source = "\n".join([*_texts(case.inputs), expected["summary"]])
    return SummaryFindings(
        missed=tuple(fact[0] for fact in facts if not has_fact(text, fact)),
        stated=tuple(fact[0] for fact in banned if states(text, fact)),
        numbers=invented_numbers(text, source),
        names=invented_names(text, source),
        n_facts=len(facts),
    )


def measures(case: Case, text: str | None) -> dict[str, float | None]:
    """Return the measures of one summary, each 0..1, higher is better; `None` if not applicable."""
    facts = case.expected.get("facts", ())
    if text is None:
        none: dict[str, float | None] = {"rouge_l": 0.0, "chrf": 0.0, "fact_recall": 0.0 if facts else None}
        return {**none, "no_invented_numbers": None, "no_invented_names": None}
    findings, reference = find(case, text), case.expected["summary"]
    return {
        "rouge_l": rouge_l(text, reference),
        "chrf": chrf(text, reference),
        "fact_recall": findings.fact_recall,
        "no_invented_numbers": float(not findings.numbers),
        "no_invented_names": float(not findings.names),
    }


def summaries(results: Sequence[Result]) -> SummarizationMetrics | None:
    """Return the metrics of a run, or `None` if nothing was scored. Repeats of a case are averaged first."""
    by_case: dict[str, list[Result]] = {}
    for result in results:
        if result.score is not None and result.reading is not None:
            by_case.setdefault(result.case.id, []).append(result)
    if not by_case:
        return None
    cases = list(by_case.values())
    texts = [[r for r in repeats if _text(r) is not None] for repeats in cases]
    return SummarizationMetrics(
        rouge_l=_mean(cases, "rouge_l"),
        chrf=_mean(cases, "chrf"),
        fact_recall=_mean(cases, "fact_recall"),
        made_up_numbers=_share(texts, lambda r: _measure(r, "no_invented_numbers") == 0),
        made_up_names=_share(texts, lambda r: _measure(r, "no_invented_names") == 0),
        stated=_share(texts, lambda r: bool(find(r.case, _text(r) or "").stated)),
        n_texts=sum(map(len, texts)),
    )


def rouge_l(text: str, reference: str) -> float:
    """Return ROUGE-L: the F score of the longest common subsequence of words (Lin 2004), 0..1, without stemming."""
    return float(_rouge().score(reference[:_COMPARED], text[:_COMPARED])["rougeL"].fmeasure)


def chrf(text: str, reference: str) -> float:
    """Return chrF2 (Popović 2015), computed by sacrebleu: F2 score of character n-grams up to 6, 0..1."""
    return float(_chrf().sentence_score(text[:_COMPARED], [reference[:_COMPARED]]).score) / 100


def _text(result: Result) -> str | None:
    value = result.reading.lenient if result.reading is not None else None
    return value if isinstance(value, str) else None


def _measure(result: Result, name: str) -> float | None:
    return result.score.measures.get(name) if result.score is not None else None


def _mean(cases: Sequence[Sequence[Result]], name: str) -> Mean:
    values = []
    for repeats in cases:
        known = [value for r in repeats if (value := _measure(r, name)) is not None]
        if known:
            values.append(sum(known) / len(known))
    return mean(values, bounds=(0, 1))


def _share(cases: Sequence[Sequence[Result]], holds: Callable[[Result], bool]) -> Rate:
    return clustered_rate([(sum(map(holds, repeats)), len(repeats)) for repeats in cases if repeats])


def _texts(inputs: Mapping[str, JSON]) -> list[str]:
    return [value if isinstance(value, str) else str(value) for value in inputs.values()]


class _UnicodeTokenizer:
    """Tokenizer for any script. The tokenizer of the library supports only English."""

    def tokenize(self, text: str) -> list[str]:
        return _WORDS.findall(text.casefold())


@cache
def _rouge() -> RougeScorer:
    with needed("summaries", "ROUGE-L needs rouge-score"):
        from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_UnicodeTokenizer())


@cache
def _chrf() -> CHRF:
    with needed("summaries", "chrF needs sacrebleu"):
        from sacrebleu.metrics.chrf import CHRF

    return CHRF()
