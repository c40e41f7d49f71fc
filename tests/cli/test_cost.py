"""`harness cost` and `harness advise`, as a user types them."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from harness.core.types import Run
from harness.store.runs import open_store

from ..report.test_columns import figures
from ..support.cli import Terminal
from ..support.field_report import field_report, made, runs
from ..support.project import CONFIG, Project


@pytest.fixture
def team(project: Project) -> Project:
    """The field report's project with its runs in the store."""
    field_report(project)
    store = open_store(project.load().store_url)
    runs(store, n=150, lost=0)
    store.close()
    return project


def test_cost_tells_the_bill_and_what_it_stands_on(harness: Terminal, team: Project) -> None:
    ended = harness("cost")
    assert ended.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines() if line.strip()}
    assert lines["ticket_triage"] == ["2,000", "300+5", "$48.00", "$24.00", "server", "3,542"]
    assert lines["agent"] == ["200", "1,600+200", "$36.00", "$18.00", "server", "473"]
    assert "$176.97 a month  today" in ended.out
    assert "$122.95 a month  as advised: 4 evals on the candidate" in ended.out
    assert "prices: genai-prices " in ended.out
    assert "ticket_triage-gpt-gpt-4o" in ended.out


def test_cost_of_some_evals_is_theirs_alone(harness: Terminal, team: Project) -> None:
    ended = harness("cost", "ticket_triage")
    assert "$48.00 a month  today" in ended.out
    assert "as advised: 0 evals on the candidate" in ended.out  # one server costs more than it saves


def test_cost_without_runs_says_what_it_does_not_know(harness: Terminal, project: Project) -> None:
    field_report(project)
    ended = harness("cost")
    assert ended.code == 0
    assert "$0" not in ended.out.replace("$80.00", "")
    assert "        – a month  today\n" in ended.out
    assert "        – a month  all of it on the candidate, good enough or not\n" in ended.out
    assert "how many tokens a call takes (harness run makes one): agent, invoice_fields" in ended.out


def test_where_some_evals_were_run_every_sum_is_over_these_and_says_so(harness: Terminal, project: Project) -> None:
    field_report(project)
    stored(project, made("ticket_triage", "gpt", "gpt-4o", 150), made("ticket_triage", "local", "mistral-vllm", 150))
    ended = harness("cost")
    assert "at least $48.00 a month  today, of 1 of 6 evals\n" in ended.out
    assert "at least $24.00 a month  in batches, whose answers may take a day, of 1 of 6 evals\n" in ended.out
    assert "at least $48.00 a month  as advised: 0 evals on the candidate, of 1 of 6 evals\n" in ended.out
    assert "at least $85.00 a month  all of it on the candidate, good enough or not, of 1 of 6 evals\n" in ended.out


def test_what_is_missing_in_one_sum_alone_is_named_with_it(harness: Terminal, project: Project) -> None:
    field_report(project)
    stored(project, made("ticket_triage", "gpt", "gpt-4o", 150))
    ended = harness("cost", "ticket_triage")
    assert "  $48.00 a month  today\n" in ended.out
    assert "at least $85.00 a month  all of it on the candidate, good enough or not\n" in ended.out
    assert "not in the sum of the candidate, because no run tells how much of a server it takes: ticket_triage" in (
        ended.out
    )


def test_an_api_that_was_never_run_costs_nobody_knows_what_and_needs_no_server(
    harness: Terminal, project: Project
) -> None:
    on_an_api(project)
    stored(project, made("ticket_triage", "gpt", "gpt-4o", 150))
    ended = harness("cost", "ticket_triage")
    assert "       – a month  all of it on the candidate, good enough or not\n" in ended.out
    assert "because no run tells how many tokens a call takes there: ticket_triage" in ended.out
    assert "server" not in ended.out


def test_a_model_that_nobody_prices_is_in_no_sum_and_named(harness: Terminal, project: Project) -> None:
    field_report(project)
    text = (project.root / "harness.toml").read_text(encoding="utf-8")
    project.config(text.replace('model = "gpt-4o"\n', 'model = "gpt-9"\n'))
    stored(project, made("ticket_triage", "gpt", "gpt-4o", 150))
    ended = harness("cost", "ticket_triage")
    assert "       – a month  today\n" in ended.out
    assert "what a call costs today ([prices] in harness.toml can): ticket_triage (gpt-4o)" in ended.out


def test_an_api_that_nobody_prices_is_named_with_its_eval(harness: Terminal, project: Project) -> None:
    on_an_api(project, model="gpt-9")
    stored(project, made("ticket_triage", "gpt", "gpt-4o", 150), made("ticket_triage", "gpt", "gpt-4o-mini", 150))
    ended = harness("cost", "ticket_triage")
    assert "what a call costs there ([prices] can): ticket_triage (gpt-4o-mini)" in ended.out


def test_sums_of_estimates_are_estimates_and_few_calls_are_told(harness: Terminal, project: Project) -> None:
    """Today's model was not run: the tokens are those of two calls of the candidate."""
    field_report(project)
    stored(project, made("ticket_triage", "local", "mistral-vllm", 2, limit=2))
    ended = harness("cost", "ticket_triage")
    assert "~$48.00 a month  today\n" in ended.out
    assert "~$24.00 a month  in batches" in ended.out
    assert "its tokens are taken from the nearest run: ticket_triage by local@mistral-vllm\n" in ended.out
    assert "may not be like the others: ticket_triage 2 calls of local@mistral-vllm\n" in ended.out


def test_there_is_no_break_even_beyond_what_a_server_carries(harness: Terminal, project: Project) -> None:
    """One call at a time, of 30 s: 960 a day at a peak of 3, and a server of its own pays from 3,542 on."""
    field_report(project)
    slow = made("ticket_triage", "local", "mistral-vllm", 40, latency_s=30.0, at_once=1)
    stored(project, made("ticket_triage", "gpt", "gpt-4o", 40), slow)
    ended = harness("cost", "ticket_triage")
    (row,) = [line.split() for line in ended.out.splitlines() if line.startswith("ticket_triage ")]
    assert row[-1] == "none"
    assert (
        "no break-even: as many calls a day as one server carries cost less than it: ticket_triage 960\n" in ended.out
    )


def test_evals_without_traffic_are_on_no_bill_and_make_no_empty_table(harness: Terminal, project: Project) -> None:
    project.config(CONFIG + '[pair]\nreference = "fake"\ncandidate = "fake"\n')
    assert harness("cost").out == "not on the bill, because the eval has no [traffic] daily_calls: triage\n"


def stored(project: Project, *made_: Run) -> None:
    store = open_store(project.load().store_url)
    for run in made_:
        store.add(run)
    store.close()


def on_an_api(project: Project, model: str = "gpt-4o-mini") -> None:
    """The field report's team, whose candidate is the smaller model of the same service."""
    field_report(project)
    text = (project.root / "harness.toml").read_text(encoding="utf-8")
    text = text.replace('candidate = "mistral-vllm"', 'candidate = "gpt-4o-mini"')
    project.config(text.replace('model = "gpt-4o-mini"', f'model = "{model}"'))


def test_cost_without_a_pair_is_refused(harness: Terminal, project: Project) -> None:
    ended = harness("cost")
    assert ended.code == 2
    assert "needs [pair]" in ended.err


def test_advise_tells_each_decision_and_writes_the_routes(harness: Terminal, team: Project) -> None:
    ended = harness("advise")
    assert ended.code == 0
    assert "MOVE         ticket_triage" in ended.out
    assert "STAY         agent" in ended.out
    assert "  - a chain of tool calls stays" in ended.out
    assert "the bill: $176.97 a month today, $122.95 as advised" in ended.out
    assert "[tasks.ticket_triage]" in (team.root / "routing.toml").read_text(encoding="utf-8")


def test_advise_writes_for_litellm_where_it_is_told_to(harness: Terminal, team: Project) -> None:
    ended = harness("advise", "--format", "litellm", "--to", str(team.root / "proxy.yaml"))
    assert ended.code == 0
    assert "model_list:" in (team.root / "proxy.yaml").read_text(encoding="utf-8")
    assert not (team.root / "routing.toml").exists()


def test_advise_writes_a_page_in_which_its_figures_are_found_again(harness: Terminal, team: Project) -> None:
    ended = harness("advise", "ticket_triage", "invoice_fields", "-o", "advice.html")
    assert ended.code == 0
    page = (team.root / "advice.html").read_text(encoding="utf-8")
    for figure in ("$102.00", "$85.00", "ticket_triage-gpt-gpt-4o-free-0-None", "openai/gpt-4o", "300.0 tokens in"):
        assert figure in page
    assert page.count("USD a month: today $102.00") == 3  # the picture of the bill, at the top and for each eval


def test_advise_writes_the_bill_and_the_decisions_for_programs_and_pull_requests(
    harness: Terminal, team: Project
) -> None:
    assert harness("advise", "-o", "advice.json", "-o", "advice.md").code == 0
    told = json.loads((team.root / "advice.json").read_text(encoding="utf-8"))
    assert {one["eval"]: one["decision"] for one in told["advice"]["evals"]}["ticket_triage"] == "MOVE"
    assert told["advice"]["bill"]["today"]["usd"] == pytest.approx(176.97)
    assert told["evals"][0]["cells"][0]["cost"]["price"]["source"].startswith("genai-prices")
    text = unescape((team.root / "advice.md").read_text(encoding="utf-8"))
    assert "| $176.97 | today |" in text
    assert "- **MOVE** ticket_triage" in text


def test_a_routing_file_that_cannot_be_read_is_not_written_over(harness: Terminal, team: Project) -> None:
    path = team.write("routing.toml", "[tiers]\nlocall = 'mistral-vllm'\n")
    ended = harness("advise")
    assert ended.code == 2
    assert "routing.toml:2" in ended.err
    assert "locall" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", ["60", "80", "100", "140"])
def test_no_figure_of_the_bill_is_cut_and_no_name_is_broken_however_narrow_the_terminal(
    harness: Terminal, team: Project, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    (team.root / "evals" / "moderation.toml").rename(team.root / "evals" / "comment_moderation.toml")
    monkeypatch.setenv("COLUMNS", "200")
    wide = harness("cost").out
    monkeypatch.setenv("COLUMNS", width)
    narrow = harness("cost").out
    assert {"3,542", "1,600+200", "$48.00"} <= figures(wide) <= figures(narrow)
    for name in ("comment_moderation", "ticket_triage"):
        first, second = name.split("_")
        assert name in narrow.split() or {f"{first}_", second} <= set(narrow.split())


class TestEstimate:
    """`harness run --estimate`, for who pays for it."""

    HOSTED = '[backends.big]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
    NEW = '[backends.new]\nprovider = "openai"\nmodel = "not-yet-out"\nvariant = "gpt"\n'

    def test_a_sum_of_some_cells_says_of_how_many(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.HOSTED + self.NEW)
        stored(project, made("triage", "gpt", "big", 10, tokens=(300, 3)))
        ended = harness("run", "-b", "big", "-b", "new", "--variant", "gpt", "--estimate")
        assert re.search(
            r"^8 calls: about \$0\.00\d+ for 1 of 2 cells, at most \$0\.0\d+ for 1 of 2 cells$", ended.out, re.MULTILINE
        )
        assert "triage gpt@new: nobody says what the model costs: it is in no sum" in ended.out

    def test_of_nothing_there_is_no_zero(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.NEW)
        ended = harness("run", "-b", "new", "--variant", "gpt", "--estimate")
        assert "4 calls: what they cost is not known\n" in ended.out
        assert "$" not in ended.out

    def test_a_server_of_ones_own_is_in_no_sum(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.HOSTED)
        alone = harness("run", "-b", "fake", "--variant", "local", "--estimate").out
        assert "4 calls: nothing but a server of one's own\n" in alone
        both = harness("run", "-b", "fake", "-b", "big", "--variant", "gpt", "--estimate").out
        assert re.search(r"^8 calls: at most \$0\.0\d+$", both, re.MULTILINE)
        assert 'no saved run tells how long the replies of 1 cell are, so these have no "about"' in both

    def test_where_the_tokenizer_is_not_known_it_says_by_what_at_most_is_counted(
        self, harness: Terminal, project: Project
    ) -> None:
        priced = 'base_url = "http://127.0.0.1:9/v1"\nprompt_usd = 1.0\ncompletion_usd = 2.0\n'
        project.config(CONFIG + self.HOSTED.replace("gpt-4o", "mistral") + priced)
        ended = harness("run", "-b", "big", "--variant", "gpt", "--estimate")
        assert "at most: where no tokenizer is known to be the model's, a token for every byte" in ended.out

    def test_without_a_limit_of_a_reply_there_is_no_at_most(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.HOSTED + 'omit = ["max_tokens"]\n')
        ended = harness("run", "-b", "big", "--variant", "gpt", "--estimate")
        assert "triage gpt@big: the backend omits max_tokens, so a reply may be of any length" in ended.out

    @pytest.mark.parametrize("width", ["60", "80", "100", "140"])
    def test_no_figure_is_cut(
        self, harness: Terminal, project: Project, monkeypatch: pytest.MonkeyPatch, width: str
    ) -> None:
        project.config(CONFIG + self.HOSTED.replace("backends.big", "backends.a-rather-long-name-of-a-backend"))
        shown = []
        for columns in ("200", width):
            monkeypatch.setenv("COLUMNS", columns)
            shown.append(figures(harness("run", "--variant", "gpt", "--estimate").out))
        assert shown[0] <= shown[1]
