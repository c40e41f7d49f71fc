"""Facts and inventions in summaries, and summarization metrics of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.metrics._inventions import invented_names, invented_numbers
from harness.analysis.metrics._statements import has_fact, normal, states, tokens
from harness.analysis.metrics.summarization import chrf, find, measures, rouge_l, summaries
from harness.core.types import Case, Reading, Response, Result, Score

from ...support.linear import assert_linear
from .results import failed

THREAD = """[09:12] ana: DDoS? 14% of logins fail on api-eu-2, 2.1M events behind
[09:20] ben: no. release 4.18.2 broke PgBouncer, 1,204 customers, 13.7 GB
[09:47] ana: rolled back by Lena Voss, 90 s restart"""
REFERENCE = "Release 4.18.2 broke logins for 1,204 customers until it was rolled back at 09:47."
CASE = Case(
    "c",
    {"thread": THREAD},
    {
        "summary": REFERENCE,
        "facts": ["login*", ["release 4.18.2", "4.18.2 deploy*"], "roll* back"],
        "must_not": ["caused by ddos", ["ddos attack"]],
    },
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,200", "1200"),
        ("1’200", "1200"),
        ("2.1M messages", "2.1 million messages"),
        ("40k", "40 thousand"),
        ("a 61-million row table", "61M row table"),
        ("10 min", "ten minutes"),
        ("35-minute", "35 mins"),
        ("90s", "90 seconds"),
        ("14 %", "14 percent"),
        ("2:05 p.m.", "14:05"),
        ("at 09:12", "at 9:12"),
        ("roll-back", "roll back"),
        ("twenty-nine", "29"),
        ("the customer’s", "Customer"),
        ("couldn't", "could not"),
        ("cannot", "can’t"),
    ],
)
def test_equivalent_spellings_are_normalized(one: str, other: str) -> None:
    assert tokens(one) == tokens(other)


@pytest.mark.parametrize(("one", "other"), [("1.2", "12"), ("10 MB", "10 million"), ("9:12", "9:13"), ("5", "5%")])
def test_different_values_stay_different(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)


@pytest.mark.parametrize(
    ("text", "phrasing", "there"),
    [
        ("The certificate of kfk-03 had expired.", "cert* expir*", True),
        ("An expired TLS certificate stopped it.", "certificate expir*", True),
        ("The certificate was fine. A licence had expired.", "certificate expir*", False),  # two sentences
        ("38 customers saw errors for 35 minutes.", "35 customers", False),
        ("Thirty-five customers saw errors.", "35 customer*", True),
        ("Certificates expire.", "certificate", False),
        ("It took 35 min.", "35 minutes", True),
    ],
)
def test_fact_needs_its_words_in_one_sentence(text: str, phrasing: str, *, there: bool) -> None:
    assert has_fact(text, [phrasing]) is there
    assert has_fact(text, ["something else", phrasing]) is there


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("The outage was caused by a DDoS attack.", True),
        ("A DDoS attack took the login down.", True),
        ("It was not a DDoS attack.", False),
        ("A DDoS attack was suspected first, but the pool was empty.", False),
        ("The attack was no DDoS.", False),
        ("DDoS protection helped against the attack.", False),
        ("Not everything worked. It was caused by DDoS traffic.", True),
    ],
)
def test_retracted_statement_is_not_stated(text: str, *, stated: bool) -> None:
    assert states(text, ["caused by ddos", "ddos attack"]) is stated


@pytest.mark.parametrize(
    ("text", "made_up"),
    [
        ("14% of logins failed, 1204 customers, release 4.18.2, until 9:47.", ()),
        ("2.1 million events were late.", ()),
        ("It lasted 35 minutes.", ()),  # 09:12 to 09:47
        ("It took 27 more minutes after 8 minutes.", ()),  # 09:20 to 09:47, 09:12 to 09:20
        ("About 1,200 customers and over 2 million events; nearly 14 GB.", ()),
        ("The restart took 1.5 minutes.", ()),  # 90 s
        ("1,200 customers were hit.", ("1200",)),  # rounded without saying so
        ("15% of logins failed.", ("15%",)),
        ("It broke at 09:13 with release 4.18.3.", ("9:13", "4.18.3")),
        ("38 customers and 38 tickets.", ("38",)),
        ("api-eu-2 and x86 are no numbers.", ()),
    ],
)
def test_number_without_support_in_sources_is_invented(text: str, made_up: tuple[str, ...]) -> None:
    assert tuple(number.removeprefix("0") for number in invented_numbers(text, THREAD)) == made_up


@pytest.mark.parametrize(
    ("text", "made_up"),
    [
        ("Release 4.18.2 broke PgBouncer on api-eu-2; Lena rolled it back.", ()),
        ("Logins of customers failed. Engineering rolled back.", ()),
        ("The API SLA was kept on Monday.", ()),
        ("Customer Support told Lena Voss's team.", ()),
        ("The cause was pgbouncer.", ()),
        ("It ran on api-eu-3 with HAProxy.", ("api-eu-3", "HAProxy")),
        ("The fix by Tom Miller worked.", ("Tom", "Miller")),
        ("Incident Summary Of Broken Logins", ()),  # a title
        ("The KMS was full.", ("KMS",)),
        ("A 35-minute outage of 14% at 09:12.", ()),
    ],
)
def test_name_in_no_spelling_of_the_sources_is_invented(text: str, made_up: tuple[str, ...]) -> None:
    assert invented_names(text, THREAD) == made_up


def test_capitalized_nouns_are_not_names_in_german() -> None:
    source = 6 * "Die Anmeldung der Kunden im Portal war wegen eines Fehlers der Datenbank gestört. "
    assert invented_names("Wegen einer Störung fiel die Anmeldung auf api-eu-2 aus.", source) == ("api-eu-2",)


def test_correct_summary_has_all_facts_and_no_inventions() -> None:
    assert find(CASE, REFERENCE).right
    wrong = find(CASE, "A DDoS attack hit logins for 99 minutes, says Tom.")
    assert not wrong.right
    assert wrong.missed == ("release 4.18.2", "roll* back")
    assert wrong.stated == ("ddos attack",)
    assert wrong.numbers == ("99minute",)
    assert wrong.names == ("Tom",)
    assert wrong.fact_recall == pytest.approx(1 / 3)


def test_rouge_and_chrf_compare_with_the_reference() -> None:
    assert rouge_l(REFERENCE, REFERENCE) == chrf(REFERENCE, REFERENCE) == 1.0
    # “the cat” of 3 and 4 words: precision 2/3, recall 2/4
    assert rouge_l("the cat sat", "the big cat slept") == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert rouge_l("障害 復旧", "障害 復旧") == 1.0
    assert rouge_l("", REFERENCE) == chrf("", REFERENCE) == 0.0
    assert 0 < chrf("Release 4.18.1 broke a login.", REFERENCE) < 1


def test_missing_text_scores_zero_and_has_no_inventions() -> None:
    actual = measures(CASE, None)
    assert (actual["rouge_l"], actual["chrf"], actual["fact_recall"]) == (0, 0, 0)
    assert actual["no_invented_numbers"] is actual["no_invented_names"] is None


def result(text: str | None, case: Case = CASE, repeat: int = 0) -> Result:
    """Answered case whose lenient answer is `text`."""
    reading = Reading(None, text, compliant=False, violations=("preamble",))
    right = text is not None and find(case, text).right
    return Result(case, Response("reply"), reading, Score(False, right, measures=measures(case, text)), "k", repeat)


def test_run_has_means_over_cases_and_shares_of_texts() -> None:
    other = Case("d", CASE.inputs, CASE.expected)
    empty = Case("e", CASE.inputs, CASE.expected)
    actual = summaries(
        [result(REFERENCE), result("KMS, 99 logins, a DDoS attack.", other), result(None, empty), failed()]
    )
    assert actual is not None
    assert actual.fact_recall.n == 3
    assert actual.fact_recall.value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert (actual.made_up_numbers.hits, actual.made_up_numbers.n) == (1, 2)
    assert (actual.made_up_names.hits, actual.stated.hits, actual.n_texts) == (1, 1, 2)


def test_repeats_are_averaged_before_the_mean() -> None:
    actual = summaries([result(REFERENCE), result(None, repeat=1)])
    assert actual is not None
    assert (actual.rouge_l.n, actual.rouge_l.value) == (1, 0.5)


def test_run_without_scores_has_no_metrics() -> None:
    assert summaries([failed()]) is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_arbitrary_text_does_not_raise(text: str, source: str) -> None:
    assert invented_numbers(text, f"{text}\n{source}") == ()
    invented_names(text, source)
    states(text, [source])
    assert normal(normal(text)) is not None
    assert has_fact(text, [source]) in (True, False)


@pytest.mark.parametrize(
    "unit", ["1,", "1:", "09:12 ", "a-", "A", "Ab ", "one-", "1 ", ". ", "x_", "1k ", "twenty ", "\n"]
)
def test_checks_take_linear_time(unit: str) -> None:
    def look(text: str) -> None:
        measures(CASE, text)
        find(Case("c", {"thread": text}, CASE.expected), REFERENCE)

    assert_linear(look, lambda size: unit * (size // len(unit)))
