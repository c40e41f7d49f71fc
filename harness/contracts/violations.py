"""Violation codes and their meaning, one line each. Docs and report are made from this table."""

from __future__ import annotations

VIOLATIONS: dict[str, str] = {
    # words around the answer
    "preamble": "words before the answer (“The category is: technical”)",
    "trailing_text": "words after the answer",
    "prompt_echo": "repeats the prompt or the list of choices",
    # the right answer in another form
    "wrong_case": "right label in the wrong case (“Technical”)",
    "punctuation": "punctuation stuck to the answer (“technical.”)",
    "quoted": "the answer in quotation marks",
    "markdown": "the answer in markdown (“**technical**”)",
    "code_fence": "the answer in a code fence",
    "label_synonym": "a declared synonym instead of the label",
    # no usable answer
    "unknown_label": "an answer outside the list of labels",
    "multiple_labels": "more than one label",
    "negated": "denies a label, gives no answer",
    "hedged": "names a possibility, gives no answer",
    "no_answer": "text without an answer",
    "refusal": "declines to answer",
    "empty": "an empty reply",
    "truncated": "cut off at max_tokens",
    # JSON
    "not_json": "no JSON in the reply",
    "invalid_json": "JSON with syntax errors",
    "multiple_values": "several different values where one is required",
    "missing_keys": "a required key is missing",
    "extra_keys": "keys that the schema does not allow",
    "wrong_type": "a value of the wrong type (text for a number)",
    "schema": "breaks the schema in another way",
    # text
    "too_long": "more words, sentences, characters, paragraphs or bullets than allowed",
    "too_short": "fewer words, sentences, characters, paragraphs or bullets than required",
    "wrong_language": "in another language than required",
    "missing_phrase": "a required phrase is missing",
    "forbidden_phrase": "contains a forbidden phrase",
    # tool calls
    "unknown_tool": "a call of a tool that does not exist",
    "missing_argument": "a call without an argument that it needs",
    "hallucinated_argument": "a call with an argument that its tool does not have",
    "tool_call_in_text": "a tool call written as text, not as a call of the protocol",
    "tool_named": "text that names a tool without calling it",
    "call_format": "a tool call in another notation than required (tags, Python)",
    # vectors
    "wrong_dimensions": "a vector of another length than declared, or than the others",
    "not_finite": "a vector with a number that is infinite or not a number",
    "not_normalized": "a vector that is not of unit length",
    "constant_vector": "a vector whose numbers are all the same",
    "duplicate_vector": "the vector of another text as well",
    # internal tokens of the model
    "think_block": "a reasoning block before the answer",
    "special_token": "a leaked control token (“<|im_end|>”)",
}
