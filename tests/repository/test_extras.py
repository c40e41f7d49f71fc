"""A package that is not installed: one line with the pip command, before any model call, and reports all the same."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from harness.analysis.metrics import summarization
from harness.backends.local import models
from harness.contracts.text import language as _text_language
from harness.contracts.text.contract import TextContract
from harness.core import extras
from harness.core.errors import BackendUnavailable, HarnessError, MissingExtra, StoreError
from harness.interop.exports import parquet
from harness.project import dataset_sources as sources
from harness.project.config import BackendConfig
from harness.project.dataset_card import Card
from harness.report import build
from harness.report.formats.html import render
from harness.store import database

from ..report.fakes import fake_run
from ..support.backend_calls import identify
from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI

INSTALL = 'Install it: pip install "prompt-portability-harness[{}]"'
SUMMARIES = 'task = "summarization"\nprompt = "triage"\ndataset = "tickets"\n'


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    """Loaded detectors and scorers would hide that their packages are missing."""
    for cached in (_text_language._identifier, summarization._rouge, summarization._chrf):
        cached.cache_clear()


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        for name in list(sys.modules):
            if name.startswith(f"{module}."):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)


def test_a_missing_package_is_one_line_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "matplotlib")
    with pytest.raises(MissingExtra) as caught, extras.needed("plots", "Charts need matplotlib"):
        import matplotlib  # noqa: F401, ICN001
    assert str(caught.value) == f"Charts need matplotlib. {INSTALL.format('plots')}"
    assert caught.value.exit_code == 2


def test_a_package_that_fails_to_import_says_why() -> None:
    error = ImportError("libarrow.so: cannot open\nmore")
    with pytest.raises(MissingExtra) as caught, extras.needed("datasets", "Parquet files need pyarrow"):
        raise error
    why = "and its import fails (libarrow.so: cannot open)"
    assert str(caught.value) == f"Parquet files need pyarrow, {why}. {INSTALL.format('datasets')}"


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(KeyError), extras.needed("plots", "Charts need matplotlib"):
        raise KeyError


def test_check_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", pytest.fail)
    monkeypatch.delitem(sys.modules, "cyllama", raising=False)
    extras.check("quantize", "Quantization needs cyllama")
    assert "cyllama" not in sys.modules


def test_a_folder_called_datasets_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets").mkdir()
    for name in [name for name in sys.modules if name.partition(".")[0] == "datasets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    assert not extras.is_installed("datasets")
    card = Card(name="x", description="x", licence="x", label_source="x")
    try:
        with pytest.raises(
            MissingExtra, match=r"^x\.parquet: Parquet files and hub datasets need the package datasets"
        ):
            sources._tables(card, "x.parquet")
    finally:
        sys.modules.pop("datasets", None)


@pytest.mark.parametrize(
    ("modules", "use", "kind", "message"),
    [
        (["xllamacpp"], lambda: identify(_embedded()), BackendUnavailable, "llamacpp"),
        (["huggingface_hub"], lambda: models.resolve("hf:owner/repo/x.gguf"), BackendUnavailable, "datasets"),
        (["pyarrow"], lambda: parquet.render([]), MissingExtra, "datasets"),
        (["rouge_score"], lambda: summarization.rouge_l("a", "a"), MissingExtra, "summaries"),
        (["sacrebleu"], lambda: summarization.chrf("a", "a"), MissingExtra, "summaries"),
        (["py3langid"], lambda: TextContract(language="en"), MissingExtra, "summaries"),
        (["psycopg"], lambda: database.connect("postgresql+psycopg://u:secret@h/d"), StoreError, "postgres"),
    ],
)
def test_each_use_names_its_extra(
    modules: list[str], use: object, kind: type[HarnessError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, *modules)
    with pytest.raises(kind) as caught:
        use()  # type: ignore[operator]
    assert str(caught.value).endswith(f". {INSTALL.format(message)}")
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)


def _embedded() -> BackendConfig:
    return BackendConfig(name="own", provider="llamacpp", variant="local", model="smollm2-135m-instruct")


def test_a_text_contract_without_a_language_needs_no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "py3langid")
    assert TextContract().problem("Config push 8831 broke the logins.") is None


class TestSummaries:
    @pytest.mark.parametrize(
        ("module", "contract", "what"),
        [
            ("rouge_score", "", "Summarization evals need rouge-score and sacrebleu"),
            ("sacrebleu", "", "Summarization evals need rouge-score and sacrebleu"),
            ("py3langid", '[contract]\nlanguage = "en"\n', "The check of a text's language needs py3langid"),
        ],
    )
    def test_an_eval_fails_before_any_call(
        self,
        served: Project,
        server: FakeOpenAI,
        harness: Terminal,
        monkeypatch: pytest.MonkeyPatch,
        module: str,
        contract: str,
        what: str,
    ) -> None:
        served.eval(name="sums", text=SUMMARIES + contract)
        without(monkeypatch, module)
        monkeypatch.chdir(served.root)
        ended = harness("run", "sums")
        where = served.root / "evals/sums.toml"
        assert (ended.code, ended.err) == (2, f"error: {where}: {what}. {INSTALL.format('summaries')}\n")
        assert server.received == []


class TestReports:
    def test_a_page_without_charts_says_which_are_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without(monkeypatch, "matplotlib")
        text = render(build([fake_run(30), fake_run(30, "local")]))
        line = f"Charts left out: latency and tokens. Charts need matplotlib. {INSTALL.format('plots')}"
        assert text.count(line.replace('"', "&#34;")) == 1
        assert 'class="chart"' not in text

    def test_a_page_with_charts_has_no_such_line(self) -> None:
        text = render(build([fake_run(30)]))
        assert "Pictures left out" not in text
        assert 'class="chart"' in text
