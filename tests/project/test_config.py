"""`harness.toml`: every error is one line with the location and a suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core import toml
from harness.core.errors import ConfigError
from harness.core.toml import read_toml
from harness.project.config import load

from ..support.project import CONFIG, Project

BACKEND = '[backends.a]\nprovider = "openai"\nmodel = "m"\nvariant = "gpt"\n'


def complaint(project: Project, text: str | bytes) -> str:
    """Message of the error from loading this `harness.toml`, without the folder."""
    project.config(text)
    with pytest.raises(ConfigError) as caught:
        project.load()
    return str(caught.value).replace(f"{project.root}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[stor]\nurl = "x"', "harness.toml:1: unknown key 'stor' (did you mean 'store'?)"),
        ("[run]\nlimt = 5", "harness.toml:2: unknown key 'limt' in [run] (did you mean 'limit'?)"),
        ('[store]\nuri = "x"', "harness.toml:2: unknown key 'uri' in [store] (did you mean 'url'?)"),
        ("[store]\nzzz = 1", "harness.toml:2: unknown key 'zzz' in [store] (there are: url)"),
        ('root = "/"', "harness.toml:1: unknown key 'root': remove it"),
        (f'{BACKEND}name = "b"', "harness.toml:5: unknown key 'name' in [backends.a]: remove it"),
    ],
)
def test_unknown_key_is_reported_with_line_and_suggestion(project: Project, text: str, message: str) -> None:
    assert complaint(project, text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# where\n[store]\nurl = 3", "harness.toml:3: url in [store] should be a string, not 3"),
        (f'{BACKEND}timeout_s = "9"', "harness.toml:5: timeout_s in [backends.a] should be a number, not '9'"),
        (f"{BACKEND}timeout_s = 0", "harness.toml:5: timeout_s in [backends.a] should be greater than 0, not 0"),
        (f"{BACKEND}retries = 1.5", "harness.toml:5: retries in [backends.a] should be a whole number, not 1.5"),
        (
            f"{BACKEND}concurrency = true",
            "harness.toml:5: concurrency in [backends.a] should be a whole number, not true",
        ),
        ('[run]\nbackend = "a"', "harness.toml:2: backend in [run] should be a list, not 'a'"),
        ('[run]\nbackend = ["a", 3]', "harness.toml:2: item 2 of backend should be a string, not 3"),
        ('[run]\ncache = "no"', "harness.toml:2: cache in [run] should be true or false, not 'no'"),
        ('pair = "a"', "harness.toml:1: pair should be a table, not 'a'"),
        ("backends = 3", "harness.toml:1: backends should be a table, not 3"),
        ("[backends]\na = 3", "harness.toml:2: a in [backends] should be a table, not 3"),
        (BACKEND.replace('"m"', '""'), "harness.toml:3: model in [backends.a] should not be empty"),
        (BACKEND.replace('variant = "gpt"', ""), "harness.toml:1: missing key 'variant' in [backends.a]"),
        ('[pair]\nreference = "a"', "harness.toml:1: missing key 'candidate' in [pair]"),
    ],
)
def test_invalid_value_is_reported_with_line_and_toml_type(project: Project, text: str, message: str) -> None:
    assert complaint(project, text) == message


@pytest.mark.parametrize("name", ["gpt-4.1", "my model", "a#b"])
def test_line_is_found_below_a_quoted_table_name(project: Project, name: str) -> None:
    text = BACKEND.replace("[backends.a]", f'[backends."{name}"]') + "base_url = 3"
    assert complaint(project, text) == f'harness.toml:5: base_url in [backends."{name}"] should be a string, not 3'


def test_quotation_marks_inside_a_quoted_name_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[a]\nb = 1\n[\"'a'\"]\nb = 2\n", encoding="utf-8")
    assert toml.at(path, ("a", "b")) == f"{path}:2: "
    assert toml.at(path, ("'a'", "b")) == f"{path}:4: "


def test_line_is_found_in_dotted_keys_and_inline_tables(project: Project) -> None:
    assert complaint(project, "store.url = 3").startswith("harness.toml:1: url in [store]")
    inline = '\n[backends]\na = { provider = "p", model = "m", variant = 3 }'
    assert complaint(project, inline).startswith("harness.toml:3: variant in [backends.a]")


def test_key_inside_a_multiline_string_is_ignored(project: Project) -> None:
    text = BACKEND.replace('"m"', '"""\nretries = 1\n"""') + 'retries = "x"'
    assert complaint(project, text).startswith("harness.toml:7: retries")


def test_at_most_three_errors_are_reported(project: Project) -> None:
    assert complaint(project, "a = 1\nb = 1\nc = 1\nd = 1").count("unknown key") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[store\nurl = 1", "harness.toml:1: not valid TOML: Expected ']' at the end of a table declaration"),
        (b"[store]\n\nurl =", "harness.toml:3: not valid TOML: Invalid value"),
        (b'[store]\nurl = "a', "harness.toml:2: not valid TOML: Unterminated string"),
        (b'# r\xc3\xa9sum\xc3\xa9\nx = "\xff"', "harness.toml:2: not UTF-8 text (byte 0xff): save the file as UTF-8"),
    ],
)
def test_invalid_toml_is_reported_with_its_line(project: Project, text: bytes, message: str) -> None:
    assert complaint(project, text) == message


def test_byte_order_mark_and_crlf_are_accepted(project: Project) -> None:
    project.config(b"\xef\xbb\xbf" + CONFIG.replace("\n", "\r\n").encode())
    assert list(project.load().backends) == ["fake"]


@pytest.mark.parametrize(("name", "nearest"), [("aa", " (did you mean 'a'?)"), ("mistral", " (there are: a)")])
def test_pair_must_name_existing_backends(project: Project, name: str, nearest: str) -> None:
    text = f'{BACKEND}[pair]\nreference = "a"\ncandidate = "{name}"'
    assert complaint(project, text) == f"harness.toml:7: [pair] candidate = {name!r} is not a backend{nearest}"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ('["a", "aa"]', "harness.toml:10: [ladders.x] step 'aa' is not a backend (did you mean 'a'?)"),
        ('["a"]', "harness.toml:10: steps in [ladders.x] should have at least 2 items, not 1"),
        ('["a", "b", "a"]', "harness.toml:10: steps has 'a' more than once"),
        ('"a"', "harness.toml:10: steps in [ladders.x] should be a list, not 'a'"),
        ('["a", ""]', "harness.toml:10: [ladders.x] step '' is not a backend (there are: a, b)"),
    ],
)
def test_ladder_needs_two_or_more_distinct_backends(project: Project, steps: str, message: str) -> None:
    assert complaint(project, f"{BACKEND}{BACKEND.replace('.a]', '.b]')}[ladders.x]\nsteps = {steps}") == message


def test_unknown_ladder_is_reported_with_a_suggestion(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"no ladder 'x' in .*harness\.toml: add \[ladders\.NAME\]"):
        project.load().ladder("x")
    project.config(f'{BACKEND}{BACKEND.replace(".a]", ".b]")}[ladders.mistral]\nsteps = ["b", "a"]')
    with pytest.raises(ConfigError, match=r"no ladder 'mistrl' in .*harness\.toml \(did you mean 'mistral'\?\)"):
        project.load().ladder("mistrl")
    assert project.load().ladder("mistral").steps == ("b", "a")


def test_default_false_excludes_a_backend(project: Project) -> None:
    project.config(f"{BACKEND}default = false\n{BACKEND.replace('.a]', '.b]')}")
    assert project.load().usual == ("b",)
    assert project.load().backend("a").default is False


def test_unknown_backend_is_reported_with_a_suggestion(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"no backend 'fak' in .*harness\.toml \(did you mean 'fake'\?\)"):
        project.load().backend("fak")
    assert project.load().backend("fake").model == "fake-model"


def test_provider_keys_become_options(project: Project) -> None:
    project.config(BACKEND + 'n_ctx = 512\napi_key_env = "MY_KEY"')
    backend = project.load().backend("a")
    assert backend.options == {"n_ctx": 512}
    assert backend.api_key_env == "MY_KEY"


def test_file_is_found_from_a_subfolder(project: Project) -> None:
    below = project.root / "evals" / "deep"
    below.mkdir()
    assert load(below).root == project.root


def test_missing_file_suggests_harness_init(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no harness\.toml in .* .*run `harness init`"):
        load(tmp_path)


def test_missing_file_or_folder_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.toml: no such file"):
        read_toml(tmp_path / "x.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_toml(tmp_path)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///.harness/runs.db", "sqlite:///{root}/.harness/runs.db"),
        ("sqlite:////var/runs.db", "sqlite:////var/runs.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://team/runs", "postgresql+psycopg://team/runs"),
    ],
)
class TestStoreUrl:
    def test_relative_path_starts_at_the_project_root(self, project: Project, url: str, expected: str) -> None:
        project.config(f'[store]\nurl = "{url}"')
        assert project.load().store_url == expected.format(root=project.root)

    def test_environment_variable_overrides_the_file(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, url: str, expected: str
    ) -> None:
        monkeypatch.setenv("HARNESS_STORE_URL", url)
        project.config('[store]\nurl = "sqlite:///other.db"')
        assert project.load().store_url == expected.format(root=project.root)


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("modle", ["model", "variant"], " (did you mean 'model'?)"),
        ("xyz", ["b", "a"], " (there are: a, b)"),
        ("xyz", [], ""),
    ],
)
def test_hint_is_the_closest_name_or_all_names(name: str, known: list[str], text: str) -> None:
    assert toml.hint(name, known) == text
