"""Every way a reply can depart from its contract, one line each. Docs and report are made from this table."""

from __future__ import annotations

VIOLATIONS: dict[str, str] = {
    # words around the answer
    "preamble": "words before the answer (“The category is: technical”)",
    "trailing_text": "words after the answer",
    "prompt_echo": "repeats the prompt or the list of choices",
    # the answer itself, dressed differently
    "wrong_case": "right label in the wrong case (“Technical”)",
    "punctuation": "punctuation stuck to the answer (“technical.”)",
    "quoted": "the answer in quotation marks",
    "markdown": "the answer in markdown (“**technical**”)",
    "code_fence": "the answer in a code fence",
    "label_synonym": "a declared synonym instead of the label",
    # no answer to be had
    "unknown_label": "an answer outside the list of labels",
    "multiple_labels": "more than one label",
    "negated": "says what it is not",
    "hedged": "only a possibility, no answer",
    "no_answer": "text without an answer",
    "refusal": "declines to answer",
    "empty": "nothing",
    "truncated": "cut off at max_tokens",
    # JSON
    "not_json": "no JSON in the reply",
    "invalid_json": "JSON with slips that a parser refuses",
    "multiple_values": "several values that differ, where one was asked for",
    "missing_keys": "a required key is missing",
    "extra_keys": "keys that the schema does not allow",
    "wrong_type": "a value of the wrong type (text for a number)",
    "schema": "breaks the schema in another way",
    # leaks of the model's machinery
    "think_block": "a reasoning block before the answer",
    "special_token": "a leaked control token (“<|im_end|>”)",
}
