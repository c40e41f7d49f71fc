"""Templates: the messages that they become, and the mistakes in them, named by file and line."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import PromptError
from harness.core.types import Message
from harness.project.prompts import PromptLibrary

from .conftest import LABELS, Complaint


class TestRendering:
    def test_role_blocks_become_messages(self, library: PromptLibrary) -> None:
        messages = library.load("triage").variant("local").render({"labels": LABELS, "text": "It crashes"})
        assert messages == (
            Message("system", "Answer with one word: billing, technical, general."),
            Message("user", "Ticket: It crashes\nCategory:"),
        )

    def test_a_file_without_role_blocks_is_one_user_message(self, compiled: Any) -> None:
        assert compiled("\nSay {{ x }}\n").render({"x": "hi"}) == (Message("user", "Say hi"),)

    def test_a_loop_makes_few_shot_turns(self, compiled: Any) -> None:
        shots = (
            "{% for q, a in shots %}{% user %}{{ q }}{% enduser %}{% assistant %}{{ a }}{% endassistant %}{% endfor %}"
        )
        variant = compiled(shots + "\n{% user %}{{ text }}{% enduser %}\n")
        rendered = variant.render({"shots": [("1+1", "2"), ("2+2", "4")], "text": "3+3"})
        assert [(message.role, message.content) for message in rendered] == [
            *(("user", "1+1"), ("assistant", "2"), ("user", "2+2"), ("assistant", "4"), ("user", "3+3")),
        ]

    def test_a_condition_may_leave_a_message_out(self, compiled: Any) -> None:
        variant = compiled("{% if rules %}{% system %}{{ rules }}{% endsystem %}{% endif %}{% user %}x{% enduser %}")
        assert [m.role for m in variant.render({"rules": "be brief"})] == ["system", "user"]
        assert [m.role for m in variant.render({"rules": ""})] == ["user"]

    def test_message_is_stripped_but_keeps_inner_white_space(self, compiled: Any) -> None:
        variant = compiled("{% user %}\n\n  a\n\n  b  \n{% enduser %}")
        assert variant.render({}) == (Message("user", "a\n\n  b"),)

    def test_comments_and_blank_lines_between_role_blocks_are_fine(self, compiled: Any) -> None:
        assert len(compiled("{# why #}\n\n{% system %}a{% endsystem %}\n\n{% user %}b{% enduser %}\n").render({})) == 2

    def test_a_file_that_notepad_saved_has_no_invisible_mark(self, compiled: Any) -> None:
        variant = compiled(b"\xef\xbb\xbf{% user %}a\r\nb{% enduser %}\r\n")
        assert variant.render({}) == (Message("user", "a\nb"),)

    def test_templates_have_no_random_functions(self, compiled: Any) -> None:
        for text in ("{{ [1, 2] | random }}", "{{ lipsum() }}"):
            with pytest.raises(PromptError):
                compiled(text).render({})


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\n{{ txet }}", "local.j2:2: 'txet' is undefined (did you mean 'text'?)"),
            ("a\n\n{{ labels | join }} {{ zzz }}", "local.j2:3: 'zzz' is undefined (there are: labels, text)"),
            ("{% if nope %}x{% endif %}", "local.j2:1: 'nope' is undefined (there are: labels, text)"),
            ("\n{{ text.subject }}", "local.j2:2: 'str object' has no attribute 'subject'"),
            ("\n{{ 1 / 0 }}", "local.j2:2: cannot be rendered: division by zero"),
            ("{{ text + 1 }}", 'local.j2:1: cannot be rendered: can only concatenate str (not "int") to str'),
            ("{% system %}a{% endsystem %}\nb", "local.j2: text outside the role blocks: 'b': put it into one of them"),
            ("{% system %}{% endsystem %}{% user %}a{% enduser %}", "local.j2: renders an empty system message"),
            ("{# nothing #}", "local.j2: renders an empty user message"),
            ("{% if false %}{% user %}a{% enduser %}{% endif %}", "local.j2: renders an empty user message"),
            (
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "local.j2:1: cannot be rendered: maximum recursion depth",
            ),
            (
                "{% macro m() %}{% user %}a{% enduser %}{% endmacro %}{% system %}{{ m() }}{% endsystem %}",
                "local.j2:1: cannot be rendered: a role block inside {% system %}: close it first",
            ),
        ],
    )
    def test_what_shows_when_a_case_is_rendered(
        self, compiled: Any, text: str, message: str, complaint: Complaint
    ) -> None:
        variant = compiled(text)
        said = complaint(variant.render, {"labels": LABELS, "text": "hello"})
        assert said.startswith(message)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\n{% if %}", "local.j2:2: Expected an expression, got 'end of statement block'"),
            ("{{ a | nosuch }}", "local.j2:1: No filter named 'nosuch'."),
            ("a\n{% sytem %}b{% endsytem %}", "local.j2:2: Encountered unknown tag 'sytem'."),
            ("{% user %}\nb", "local.j2:2: Unexpected end of template."),
            (
                "{% system %}\n{% user %}a{% enduser %}{% endsystem %}",
                "local.j2:2: a role block inside {% system %}: close it first",
            ),
            (
                "{% system %}{% if x %}\n\n{% user %}a{% enduser %}{% endif %}{% endsystem %}",
                "local.j2:3: a role block inside {% system %}: close it first",
            ),
            (b"a\n\xff", "local.j2:2: not UTF-8 text (byte 0xff): save the file as UTF-8"),
        ],
    )
    def test_what_shows_before_any_case(
        self, compiled: Any, text: str | bytes, message: str, complaint: Complaint
    ) -> None:
        assert complaint(compiled, text).startswith(message)

    @pytest.mark.parametrize(
        "attack",
        [
            "{{ ''.__class__.__mro__ }}",
            "{{ text.format.__globals__ }}",
            "{{ cycler.__init__.__globals__ }}",
            "{{ labels.append('x') }}",
            "{% include '/etc/passwd' %}",
            "{{ range(10 ** 9) | list }}",
        ],
    )
    def test_templates_run_in_a_sandbox(self, compiled: Any, attack: str, complaint: Complaint) -> None:
        complaint(compiled("{% user %}" + attack + "{% enduser %}").render, {"labels": LABELS, "text": "x"})
