"""Text contract, rule by rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.contracts.text.contract import LengthLimits, TextContract
from harness.contracts.text.language import is_other
from harness.contracts.text.length import paragraphs, sentences, words
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Response

TEXT = "A bad config push broke 14% of logins on api-eu-2 for 35 minutes. It was rolled back at 09:47 UTC."
PLAIN = TextContract(words=LengthLimits(5, 60), language="en")
LANGUAGES = Path(__file__).with_name("languages.jsonl")


def read(reply: str, contract: TextContract = PLAIN, *, truncated: bool = False) -> tuple[str | None, set[str]]:
    """Return the lenient text and the codes, and check invariants of every reading."""
    reading = contract.read(Response(text=reply, finish_reason="length" if truncated else "stop"))
    assert reading.compliant == (reading.strict is not None) == (reading.violations == ())
    assert set(reading.violations) <= VIOLATIONS.keys()
    if reading.compliant:
        assert reading.strict == reading.lenient == reply.strip()
    return reading.lenient, set(reading.violations)


@pytest.mark.parametrize(
    "reply", [TEXT, f"  {TEXT}\n", "In summary, " + TEXT, TEXT + " The customer said “never again”."]
)
def test_text_within_limits_is_unchanged(reply: str) -> None:
    assert read(reply) == (reply.strip(), set())


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        (f"Here is a summary of the incident:\n\n{TEXT}", {"preamble"}),
        (f"Sure! Here's a brief summary:\n{TEXT}", {"preamble"}),
        (f"Sure thing! {TEXT}", {"preamble"}),
        (f"Certainly. Below is the summary you asked for.\n\n{TEXT}", {"preamble"}),
        (f"Okay, here is the incident summary in 60 words: {TEXT}", {"preamble"}),
        (f"This is a concise summary of the thread: {TEXT}", {"preamble"}),
        (f"Summary: {TEXT}", {"preamble"}),
        (f"**Summary:** {TEXT}", {"preamble"}),
        (f"**Incident Summary**\n\n{TEXT}", {"preamble"}),
        (f"## Summary\n\n{TEXT}", {"preamble"}),
        (f"TL;DR: {TEXT}", {"preamble"}),
        (f"Brief incident summary (60 words):\n{TEXT}", {"preamble"}),
        (f"Zusammenfassung: {TEXT}", {"preamble"}),
        (f"Voici un résumé de l'incident :\n{TEXT}", {"preamble"}),
        (f"{TEXT}\n\nLet me know if you need more details!", {"trailing_text"}),
        (f"{TEXT} I hope this helps. Feel free to ask for a longer version.", {"trailing_text"}),
        (f"{TEXT}\n\n(20 words)", {"trailing_text"}),
        (f"{TEXT}\n\nNote: This summary leaves out the chatter.", {"trailing_text"}),
        (f"{TEXT}\n\nWould you like me to shorten it?", {"trailing_text"}),
        (f"{TEXT}\n\nThread:\n[10:02] ana: next one", {"trailing_text"}),
        (f"Here you go: {TEXT}\n\nLet me know if it is too long.", {"preamble", "trailing_text"}),
        (f"```\n{TEXT}\n```", {"code_fence"}),
        (f"Here is the summary:\n```text\n{TEXT}\n```\nHope this helps!", {"preamble", "code_fence", "trailing_text"}),
        (f'"{TEXT}"', {"quoted"}),
        (f"“{TEXT}”", {"quoted"}),
        (json.dumps({"summary": TEXT}), {"quoted"}),
        (f"<summary>{TEXT}</summary>", {"markdown"}),
        (TEXT.replace("api-eu-2", "`api-eu-2`"), {"markdown"}),
        (TEXT.replace("14% of logins", "**14% of logins**"), {"markdown"}),
        (TEXT.replace("bad", "*bad*"), {"markdown"}),
        (f"# {TEXT}", {"markdown"}),
        (f"> {TEXT}", {"markdown"}),
        (f"- {TEXT}", {"markdown"}),
        (f"<think>Short, then.</think>\n{TEXT}", {"think_block"}),
        (f"{TEXT}<|im_end|>", {"special_token"}),
    ],
)
def test_wrapping_is_reported_and_removed(reply: str, codes: set[str]) -> None:
    assert read(reply) == (TEXT, codes)


@pytest.mark.parametrize(
    "reply",
    [
        "The daily summary job failed: 12 customers had no mail on Monday morning.",
        "Summary mails were not sent to 12 customers because the queue was full.",
        "Customers were asked to let support know if the error came back.",
        "Okay-Web lost its TLS certificate, so 12 customers could not log in.",
        'The log read "please provide the text" for every failed request of the parser.',
        "Retries rose to 5 * 3 * 2 per minute and tenant_id was missing from _search_ calls.",
        "12. May was the last day on which the export ran without errors.",
        "Support cannot reproduce the error; engineering is unable to name a cause yet.",
    ],
)
def test_content_is_not_mistaken_for_wrapping(reply: str) -> None:
    assert read(reply) == (reply, set())


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("<|im_end|>", "empty"),
        ("<think>What happened here?", "think_block"),
        ("...", "no_answer"),
        ("Here is a summary of the incident:", "no_answer"),
        ("Could you please provide the incident thread that you want summarized?", "no_answer"),
        ("I'm sorry, but I can't summarize this thread.", "refusal"),
        ("Sure! I cannot assist with that request.", "refusal"),
    ],
)
def test_missing_text_has_no_answer_and_one_code(reply: str, code: str) -> None:
    assert read(reply) == (None, {code})


def test_refusal_next_to_text_is_a_refusal() -> None:
    assert PLAIN.read(Response(text="", refusal="No.")).violations == ("refusal",)


def test_truncated_text_is_reported() -> None:
    assert read(TEXT, truncated=True) == (None, {"truncated"})


@pytest.mark.parametrize(
    ("contract", "reply", "codes"),
    [
        (TextContract(words=LengthLimits(most=3)), "one two three", set()),
        (TextContract(words=LengthLimits(most=3)), "one two three four", {"too_long"}),
        (TextContract(words=LengthLimits(least=3)), "one two", {"too_short"}),
        (TextContract(sentences=LengthLimits(most=1)), "It broke at 9. Then it worked.", {"too_long"}),
        (TextContract(sentences=LengthLimits(2)), "It broke at 9", {"too_short"}),
        (TextContract(characters=LengthLimits(most=5)), "sixsix", {"too_long"}),
        (TextContract(paragraphs=LengthLimits(most=1)), "One.\n\nTwo.", {"too_long"}),
        (TextContract(bullets=LengthLimits(2, 3)), "- one\n- two", set()),
        (TextContract(bullets=LengthLimits(2, 3)), "one and two", {"too_short"}),
        (TextContract(bullets=LengthLimits(2, 3)), "1. a\n2. b\n3. c\n4. d", {"too_long"}),
        (TextContract(bullets=LengthLimits(2, 3)), "- **one**\n- two", {"markdown"}),
        (TextContract(required=("root cause",)), "The Root\nCause was DNS.", set()),
        (TextContract(required=("root cause",)), "It was DNS.", {"missing_phrase"}),
        (TextContract(forbidden=("Acme",)), "ACME was hit.", {"forbidden_phrase"}),
        (TextContract(markdown=True), "**It** broke.", set()),
    ],
)
def test_limits_and_phrases(contract: TextContract, reply: str, codes: set[str]) -> None:
    lenient, found = read(reply, contract)
    assert found == codes
    assert lenient


def test_length_and_language_violations_keep_the_text() -> None:
    german = "Ein fehlerhaftes Zertifikat führte dazu, dass 14 % der Anmeldungen fehlschlugen."
    assert read(german) == (german, {"wrong_language"})
    assert read(5 * f"{TEXT} ") == ((5 * f"{TEXT} ").strip(), {"too_long"})


def test_limits_apply_to_the_unwrapped_text() -> None:
    contract = TextContract(words=LengthLimits(most=len(TEXT.split())))
    assert read(f"Here is a summary of the incident:\n{TEXT}", contract) == (TEXT, {"preamble"})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It broke. It was fixed.", 2),
        ("Version 4.18.2 broke it, e.g. for approx. 14.5% of users. Fixed!", 2),
        ("Fixed at 2:05 p.m. Nobody noticed.", 2),
        ("Fixed? (Yes.) Good…", 3),
        ("- one\n- two", 2),
        ("障害が発生した。復旧した。", 2),
        ("api-eu-2 failed. pgbouncer was full.", 1),  # a small letter after a full stop may well be an abbreviation's
    ],
)
def test_abbreviations_do_not_end_sentences(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_words_and_paragraphs_are_counted() -> None:
    assert words("api-eu-2 : 14% – “4.18.2”, done") == 4
    assert paragraphs("a\n\n \n\nb\nc") == 2


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "nl"])
def test_technical_text_is_not_a_wrong_language(language: str) -> None:
    rows = [json.loads(line) for line in LANGUAGES.read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows if row["language"] == language]
    assert len(texts) >= 6
    assert [text for text in texts if is_other(text, language)] == []


def test_most_texts_in_another_language_are_detected() -> None:
    rows = [json.loads(line) for line in LANGUAGES.read_text(encoding="utf-8").splitlines()]
    foreign = [row["text"] for row in rows if row["language"] != "en"]
    assert sum(is_other(text, "en") for text in foreign) >= 0.8 * len(foreign)


def test_quotations_and_two_words_have_no_language() -> None:
    assert not is_other(
        "Customers saw “Die Anmeldung ist leider gerade nicht möglich” after the login page loaded.", "en"
    )
    assert not is_other("Datenbank kaputt", "en")


@pytest.mark.parametrize(
    "settings",
    [
        {"words": LengthLimits(5, 4)},
        {"sentences": LengthLimits(-1, None)},
        {"required": (" ",)},
        {"language": "english"},
    ],
)
def test_impossible_limits_are_rejected(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no text has|must not be blank|cannot be detected"):
        TextContract(**settings)  # type: ignore[arg-type]
