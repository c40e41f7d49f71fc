"""Templates: rendered messages, and errors with file and line."""

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

    def test_file_without_role_blocks_is_one_user_message(self, compiled: Any) -> None:
        assert compiled("\nSay {{ x }}\n").render({"x": "hi"}) == (Message("user", "Say hi"),)

    def test_loop_renders_few_shot_turns(self, compiled: Any) -> None:
        shots = (
            "{% for q, a in shots %}{% user %}{{ q }}{% enduser %}{% assistant %}{{ a }}{% endassistant %}{% endfor %}"
        )
        variant = compiled(shots + "\n{% user %}{{ text }}{% enduser %}\n")
        rendered = variant.render({"shots": [("1+1", "2"), ("2+2", "4")], "text": "3+3"})
        assert [(message.role, message.content) for message in rendered] == [
            *(("user", "1+1"), ("assistant", "2"), ("user", "2+2"), ("assistant", "4"), ("user", "3+3")),
        ]

    def test_condition_can_omit_a_message(self, compiled: Any) -> None:
        variant = compiled("{% if rules %}{% system %}{{ rules }}{% endsystem %}{% endif %}{% user %}x{% enduser %}")
        assert [m.role for m in variant.render({"rules": "be brief"})] == ["system", "user"]
        assert [m.role for m in variant.render({"rules": ""})] == ["user"]

    def test_white_space_around_a_message_is_stripped(self, compiled: Any) -> None:
        variant = compiled("{% user %}\n\n  a\n\n  b  \n{% enduser %}")
        assert variant.render({}) == (Message("user", "a\n\n  b"),)

    def test_comments_between_role_blocks_are_ignored(self, compiled: Any) -> None:
        assert len(compiled("{# why #}\n\n{% system %}a{% endsystem %}\n\n{% user %}b{% enduser %}\n").render({})) == 2

    def test_byte_order_mark_and_crlf_are_normalized(self, compiled: Any) -> None:
        variant = compiled(b"\xef\xbb\xbf{% user %}a\r\nb{% enduser %}\r\n")
        assert variant.render({}) == (Message("user", "a\nb"),)

    def test_random_functions_are_not_available(self, compiled: Any) -> None:
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
            ("{% system %}a{% endsystem %}\nb", "local.j2: text outside the role blocks: 'b'"),
            ("{% system %}{% endsystem %}{% user %}a{% enduser %}", "local.j2: the system message is empty"),
            ("{# nothing #}", "local.j2: the user message is empty"),
            ("{% if false %}{% user %}a{% enduser %}{% endif %}", "local.j2: the user message is empty"),
            (
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "local.j2:1: cannot be rendered: maximum recursion depth",
            ),
            (
                "{% macro m() %}{% user %}a{% enduser %}{% endmacro %}{% system %}{{ m() }}{% endsystem %}",
                "local.j2:1: cannot be rendered: role block inside {% system %}",
            ),
        ],
    )
    def test_render_error_is_reported_with_its_line(
        self, compiled: Any, text: str, message: str, complaint: Complaint
    ) -> None:
        variant = compiled(text)
        error = complaint(variant.render, {"labels": LABELS, "text": "hello"})
        assert error.startswith(message)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\n{% if %}", "local.j2:2: Expected an expression, got 'end of statement block'"),
            ("{{ a | nosuch }}", "local.j2:1: No filter named 'nosuch'."),
            ("a\n{% sytem %}b{% endsytem %}", "local.j2:2: Encountered unknown tag 'sytem'."),
            ("{% user %}\nb", "local.j2:2: Unexpected end of template."),
            (
                "{% system %}\n{% user %}a{% enduser %}{% endsystem %}",
                "local.j2:2: role block inside {% system %}",
            ),
            (
                "{% system %}{% if x %}\n\n{% user %}a{% enduser %}{% endif %}{% endsystem %}",
                "local.j2:3: role block inside {% system %}",
            ),
            (b"a\n\xff", "local.j2:2: not UTF-8 text (byte 0xff): save the file as UTF-8"),
        ],
    )
    def test_compile_error_is_reported_with_its_line(
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
