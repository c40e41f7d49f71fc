"""Properties of the text contract for any reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.text.contract import LengthLimits, TextContract
from harness.core.types import Response

from ..support.linear import assert_linear

CONTRACTS = [
    TextContract(),
    TextContract(words=LengthLimits(2, 12), language="en"),
    TextContract(bullets=LengthLimits(1, 3), paragraphs=LengthLimits(most=2)),
    TextContract(
        characters=LengthLimits(5, 200),
        sentences=LengthLimits(1, 3),
        required=("api",),
        forbidden=("sorry",),
        markdown=True,
    ),
]
PIECES = st.sampled_from(
    [
        *(
            "Summary:",
            "Here is a summary:\n",
            "Sure! ",
            "Let me know if ",
            "Hope this helps",
            "The api failed. ",
            "\n\n",
        ),
        *("**", "*", "`", "```", "```text\n", "# ", "- ", "1. ", "> ", "[a](b)", "|", "---\n", '"', "“", "”", "{", "}"),
        *(
            '{"summary": "',
            '"}',
            "<summary>",
            "</summary>",
            "<think>",
            "</think>",
            "<|im_end|>",
            "I cannot help",
            ".",
            " ",
        ),
        *("\ud800", "\u0301", "\ufeff", "。", "Zusammenfassung: ", "(20 words)", "Thread: ", "e.g. "),
    ]
)
SENTENCES = st.sampled_from(
    [
        "A bad config push broke 14% of logins for 35 minutes.",
        "Release 4.18.2 was rolled back at 09:47 UTC.",
        "Nobody lost data; 38 customers saw errors (HTTP 503).",
        "The cause was an expired certificate on kfk-03.",
        "“It just spins”, one of them wrote.",
        "Here the second index was missing.",
    ]
)
TEXTS = st.lists(SENTENCES, min_size=1, max_size=4).map(" ".join)


@given(
    st.sampled_from(CONTRACTS),
    st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=60)),
    st.booleans(),
)
def test_reading_is_total_and_deterministic(contract: TextContract, text: str, cut: bool) -> None:
    response = Response(text=text, finish_reason="length" if cut else "stop")
    reading = contract.read(response)
    assert reading == contract.read(response)
    assert reading.compliant == (reading.strict is not None) == (reading.violations == ())
    if reading.compliant:
        assert reading.strict == reading.lenient == text.strip()
    if reading.lenient is not None:
        assert reading.lenient.strip()


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize(
    ("before", "after", "codes"),
    [
        ("Here is a summary of the incident:\n\n", "", {"preamble"}),
        ("Sure! ", "", {"preamble"}),
        ("**Incident summary:**\n", "", {"preamble"}),
        ("", "\n\nLet me know if you need anything else!", {"trailing_text"}),
        ("```\n", "\n```", {"code_fence"}),
        ("<summary>", "</summary>", {"markdown"}),
        (
            "Of course. Below is a short summary:\n```\n",
            "\n```\nI hope this helps!",
            {"preamble", "code_fence", "trailing_text"},
        ),
    ],
)
@given(text=TEXTS)
def test_what_stands_around_never_changes_the_text(
    contract: TextContract, before: str, after: str, codes: set[str], text: str
) -> None:
    alone, dressed = (contract.read(Response(text=reply)) for reply in (text, before + text + after))
    assert dressed.lenient == alone.lenient
    assert dressed.strict is None
    assert set(dressed.violations) == set(alone.violations) | codes


@given(TEXTS)
def test_plain_text_without_limits_is_strict(text: str) -> None:
    assert TextContract().read(Response(text=text)).strict == text


HOSTILE = [
    *(
        "*",
        "**",
        "**a",
        "*a ",
        "`",
        "`a",
        "```",
        "```\n",
        "#",
        "# ",
        "\n",
        "\n\n",
        "\n ",
        " ",
        "- ",
        "- a\n",
        "1. a\n",
        "> ",
    ),
    *(
        "[",
        "[a]",
        "[a](",
        "[a](b)",
        "<",
        "<a>",
        "</b>",
        '"',
        "“",
        "{",
        '{"a":',
        "Sure! ",
        "Summary: ",
        "Summary\n",
        "a. A",
    ),
    *(
        "Let me know. ",
        "Here is ",
        "\n* ",
        "thread",
        "\nthread",
        "e.g. ",
        ".",
        ". ",
        "。",
        "a",
        "é",
        "|",
        "-",
        "=",
        "_",
        "the ",
    ),
    *("<think>", "<|im_end|>", "I cannot ", "\u0301", "“a", "(", "Summary (", "Note that ", "api "),
]


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("before", ["", "It broke. "])
def test_reading_takes_linear_time(before: str, unit: str) -> None:
    contract = CONTRACTS[3] if unit == "api " else CONTRACTS[1]
    assert_linear(lambda text: contract.read(Response(text)), lambda size: before + unit * (size // len(unit)))
