"""Optional packages: the extra that installs each package, and the error for a package that is missing.

Every import of an optional package stands in a `with needed(...)` block:

    with needed("plots", "Charts need matplotlib"):
        import matplotlib
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from harness.core.errors import HarnessError, MissingExtra

DISTRIBUTION = "prompt-portability-harness"

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "llamacpp": ("xllamacpp",),
    "datasets": ("datasets", "pyarrow", "huggingface_hub"),
    "plots": ("matplotlib",),
    "summaries": ("rouge_score", "sacrebleu", "py3langid"),
    "postgres": ("psycopg",),
    "quantize": ("cyllama",),
    "tokens": ("quicktok",),
}
"""Extra -> the modules that it installs; a test compares it with pyproject.toml."""


def install_command(extra: str) -> str:
    """Return the pip command that installs an extra."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def is_installed(extra: str) -> bool:
    """Return whether all modules of an extra are installed. Imports nothing."""
    return all(_is_importable(module) for module in EXTRAS[extra])


@contextmanager
def needed(extra: str, what: str, kind: Callable[[str], HarnessError] = MissingExtra) -> Iterator[None]:
    """Turn a failed import of an optional package into one line that names the pip command.

    `what` is the start of the message: `Charts need matplotlib`. `kind` is the exception that is raised.
    """
    try:
        yield
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS[extra]
        why = "" if missing else f", and its import fails ({str(error).splitlines()[0] if str(error) else 'no reason'})"
        msg = f"{what}{why}. Install it: {install_command(extra)}"
        raise kind(msg) from None


def check(
    extra: str, what: str, kind: Callable[[str], HarnessError] = MissingExtra, modules: Sequence[str] | None = None
) -> None:
    """Raise the error of `needed` if a module of an extra is not installed. Imports nothing.

    `modules`: the modules that are needed; all modules of the extra by default.
    """
    with needed(extra, what, kind):
        for module in EXTRAS[extra] if modules is None else modules:
            if not _is_importable(module):
                raise ModuleNotFoundError(name=module)


def _is_importable(module: str) -> bool:
    """Return whether a module has a loader. A project's own folder `datasets` has no loader."""
    try:
        spec = find_spec(module)
    except ValueError:  # None in sys.modules
        return False
    return spec is not None and spec.origin is not None
