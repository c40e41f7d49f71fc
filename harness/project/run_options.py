"""Options of a run, declared once: for flags, `[run]` of harness.toml, the environment and the library."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

from harness.core.errors import ConfigError
from harness.core.types import Decoding

TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "f", "no", "n", "off"})
"""Words for a switch in the environment, as click reads them."""


def _doc(text: str, *, at_least: float | None = None, toml: bool = True) -> dict[str, Any]:
    return {"doc": text, "at_least": at_least, "toml": toml, "flag": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Which cells to run, and how. A field at its default is unset.

    Precedence: flag or argument, `HARNESS_<FIELD>` in the environment, `[run]` of harness.toml, default.
    """

    backend: tuple[str, ...] = field(
        default=(), metadata=_doc("A backend from harness.toml, or replay:RUN, or replay:FILE.jsonl; repeatable.")
    )
    variant: tuple[str, ...] = field(
        default=(), metadata=_doc("A prompt variant (gpt, local, …); repeatable. Default: all.")
    )
    version: str | None = field(
        default=None, metadata=_doc("A prompt version, such as v1. Default: the eval's, else the newest.")
    )
    decoding: tuple[Decoding, ...] = field(
        default=(),
        metadata=_doc("free, or constrained: the server restricts output to what the contract allows; repeatable."),
    )
    split: str | None = field(default=None, metadata=_doc("A dataset split, or `all`. Default: the eval's."))
    limit: int | None = field(
        default=None, metadata=_doc("Run only the first N cases. Gates are not judged.", at_least=1)
    )
    case: tuple[str, ...] = field(
        default=(),
        metadata=_doc("Run only the case with this id; repeatable. Gates are not judged.", toml=False),
    )
    filter: tuple[str, ...] = field(
        default=(),
        metadata=_doc(
            "Run only cases that match tag:NAME, label:NAME or id:NAME (* and ? match); repeatable, all must match.",
            toml=False,
        ),
    )
    demo: bool = field(default=False, metadata=_doc("Run only the first `demo_limit` cases of each eval."))
    cache: bool | None = field(default=None, metadata=_doc("Reuse saved replies to identical requests. Default: true."))
    resume: bool = field(default=False, metadata=_doc("Continue an interrupted run and retry its failed calls."))
    jobs: int | None = field(default=None, metadata=_doc("Maximum concurrent requests per backend.", at_least=1))
    tag: tuple[str, ...] = field(
        default=(), metadata=_doc("Label the runs, for latest#NAME and history --tag; repeatable.")
    )
    budget: float | None = field(
        default=None, metadata=_doc("Stop before spending more than this many USD (exit code 3).", at_least=0)
    )
    record: Path | None = field(
        default=None, metadata=_doc("Save the replies to a .jsonl file, for --backend replay:FILE.")
    )
    batch: bool = field(
        default=False,
        metadata=_doc("Use OpenAI's Batch API: half the price, results within 24 hours.", toml=False),
    )
    strict: bool = field(
        default=False,
        metadata=_doc("Do not start if a dataset is too small for a gate (exit code 2). Default: it is undecided."),
    )
    quiet: bool = field(default=False, metadata=_doc("Show no progress."))
    output: tuple[Path, ...] = field(
        default=(), metadata=_doc("Write a report to this file: .html .json .jsonl .csv .md; repeatable.")
    )

    own_variant_only: bool = False
    """Only the variant that each backend is tuned for, where no `variant` is set."""
    whole: bool = False
    """Whole splits and all variants, whatever `[run]` says: what gates need."""
    every_backend: bool = False
    """Run an eval also on backends that it leaves out: the user named both."""

    def over(self, defaults: RunOptions) -> Self:
        """These options, with `defaults` for the unset ones. With `whole`, not for those that select cases."""
        sample = _SAMPLE if self.whole else {"variant"} if self.own_variant_only else set()
        unset = [f.name for f in fields(self) if getattr(self, f.name) == f.default and f.name not in sample]
        return replace(self, **{name: getattr(defaults, name) for name in unset})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The options that `HARNESS_<FIELD>` variables set; raises `ConfigError` for a value that is not valid."""
        environ = os.environ if environ is None else environ
        values = {option.name: environ.get(variable(option.name), "") for option in options()}
        return cls(**{name: _parsed(name, text) for name, text in values.items() if text})


_SAMPLE = frozenset({"variant", "version", "decoding", "split", "limit", "case", "filter", "demo"})
"""Options that select part of the matrix or of the cases."""


def options() -> list[Field[Any]]:
    """The fields that users set, in the order of the help."""
    return [f for f in fields(RunOptions) if f.metadata.get("flag")]


def types() -> dict[str, Any]:
    """The type of each field."""
    return get_type_hints(RunOptions)


def variable(name: str) -> str:
    """The environment variable of an option."""
    return f"HARNESS_{name.upper()}"


def _parsed(name: str, text: str) -> Any:
    (option,) = (f for f in options() if f.name == name)
    kind = types()[name]
    parts = text.split(os.pathsep) if name == "output" else text.split()
    if name == "output":
        return tuple(map(Path, parts))
    if name == "decoding":
        return tuple(_one_of(name, part, get_args(Decoding)) for part in parts)
    if isinstance(option.default, tuple):
        return tuple(parts)
    if kind in {bool, bool | None}:
        return _one_of(name, text.strip().lower(), TRUE | FALSE) in TRUE
    (convert,) = (one for one in (str, int, float, Path) if kind == one | None)
    try:
        value = convert(text)
    except ValueError:
        raise _invalid(name, text, f"should be {'a whole number' if convert is int else 'a number'}") from None
    least = option.metadata["at_least"]
    if least is not None and not value >= least:
        raise _invalid(name, text, f"should be at least {least:g}")
    return value


def _one_of(name: str, text: str, allowed: Any) -> Any:
    if text not in allowed:
        raise _invalid(name, text, f"should be one of {', '.join(sorted(allowed))}")
    return text


def _invalid(name: str, text: str, reason: str) -> ConfigError:
    return ConfigError(f"{variable(name)}={text}: {reason}")
