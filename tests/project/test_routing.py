"""Reading and writing `routing.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.project import routing
from harness.project.config import BackendConfig, Config
from harness.project.routing import TIERS, BreakerConfig, ProbeConfig, Routing, TaskRoute

WHOLE = """\
[tiers]
local = "mistral-vllm"
api_fast = "gpt-4o-mini"
api_frontier = "gpt-4o"

[tasks.ticket_triage]
tiers = ["local", "api_frontier"]
on_broken_contract = "escalate"
deadline_s = 20.0
max_usd = 0.01
hedge_after_s = 1.5

[probe]
every_s = 2.5

[breaker]
failures = 5
"""


def project(root: Path) -> Config:
    backends = {
        name: BackendConfig(name=name, provider="openai", model=name, variant="gpt")
        for name in ("mistral-vllm", "gpt-4o-mini", "gpt-4o")
    }
    return Config(root=root, backends=backends)


def load(folder: Path, text: str) -> Routing:
    path = folder / "routing.toml"
    path.write_text(text)
    return routing.load(path, project(folder))


def test_every_key_is_read(tmp_path: Path) -> None:
    loaded = load(tmp_path, WHOLE)
    assert loaded.tiers == {"local": "mistral-vllm", "api_fast": "gpt-4o-mini", "api_frontier": "gpt-4o"}
    assert loaded.tasks["ticket_triage"] == TaskRoute(
        tiers=("local", "api_frontier"),
        on_broken_contract="escalate",
        deadline_s=20.0,
        max_usd=0.01,
        hedge_after_s=1.5,
    )
    assert loaded.backends("ticket_triage") == ("mistral-vllm", "gpt-4o")
    assert (loaded.probe.every_s, loaded.breaker.failures) == (2.5, 5)


def test_missing_keys_have_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, '[tiers]\nlocal = "gpt-4o"\n[tasks.x]\ntiers = ["local"]\n')
    route = loaded.tasks["x"]
    assert (route.on_broken_contract, route.deadline_s, route.max_usd, route.hedge_after_s) == (
        "accept",
        30,
        None,
        None,
    )
    assert (loaded.probe.every_s, loaded.breaker.failures) == (5.0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("gpt-4o-mini", "gpt-4o-mimi"), ":3: [tiers] api_fast = 'gpt-4o-mimi' is not a backend of harness.toml (did you mean 'gpt-4o-mini'?)"),
        (("api_fast =", "api_slow ="), ":3: unknown tier 'api_slow' in [tiers]"),
        (('["local", "api_frontier"]', '["lokal"]'), ":7: unknown tier 'lokal' in [tasks.ticket_triage] (did you mean 'local'?)"),
        (('api_frontier = "gpt-4o"\n', ""), ":6: [tasks.ticket_triage] uses tier 'api_frontier': add a backend for it"),
        (('["local", "api_frontier"]', '["local", "local"]'), ":7: tiers has 'local' more than once"),
        (('["local", "api_frontier"]', "[]"), ":7: tiers in [tasks.ticket_triage] should have at least 1 item, not 0"),
        (('api_frontier = "gpt-4o"', 'api_frontier = "mistral-vllm"'), ":7: [tasks.ticket_triage] has two tiers with the same backend"),
        (("deadline_s = 20.0", "deadline_s = 0"), ":9: deadline_s in [tasks.ticket_triage] "),
        (("deadline_s", "dead_line_s"), ":9: unknown key 'dead_line_s' in [tasks.ticket_triage] (did you mean 'deadline_s'?)"),
        (('"escalate"', '"retry"'), ":8: on_broken_contract in [tasks.ticket_triage] "),
        (("every_s = 2.5", "every_s = true"), ":14: every_s in [probe] should be a number, not true"),
        (("[tiers]", "[tears]"), "missing key 'tiers'"),
        (("[tasks.ticket_triage]", "[tasks"), ":6: not valid TOML"),
    ],
)  # fmt: skip
def test_invalid_file_is_reported_with_its_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, WHOLE.replace(*change))
    assert message in str(caught.value)
    assert str(tmp_path / "routing.toml") in str(caught.value)


def test_dump_has_comments_above_their_tables(tmp_path: Path) -> None:
    text = routing.dump(load(tmp_path, WHOLE), {"ticket_triage": ["MOVE: shown within the margin", "saves\n$28"]})
    assert text == (
        "# routing.toml: which backend each task goes to, and what answers where that one does not.\n"
        + WHOLE.replace("[tasks.", "# MOVE: shown within the margin\n# saves $28\n[tasks.")
    )


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
positive = st.floats(min_value=1e-6, max_value=1e9)
routes = st.builds(
    TaskRoute,
    tiers=st.permutations(TIERS).map(tuple),
    on_broken_contract=st.sampled_from(["accept", "escalate"]),
    deadline_s=positive,
    max_usd=st.none() | positive,
    hedge_after_s=st.none() | positive,
    patience_s=positive,
)
files = st.builds(
    Routing,
    tiers=st.fixed_dictionaries(dict.fromkeys(TIERS, names)),
    tasks=st.dictionaries(names, routes, max_size=4),
    probe=st.builds(ProbeConfig, every_s=positive),
    breaker=st.builds(BreakerConfig, failures=st.integers(1, 99)),
)


@given(files, st.text(max_size=20))
def test_dump_and_load_round_trip(written: Routing, comment: str) -> None:
    text = routing.dump(written, {name: [comment] for name in written.tasks})
    assert Routing.model_validate(tomllib.loads(text)) == written
    shuffled = Routing.model_validate({**written.model_dump(), "tasks": dict(reversed(written.tasks.items()))})
    assert routing.dump(shuffled, {name: [comment] for name in written.tasks}) == text
