"""Quantization of GGUF files by llama.cpp (`cyllama`, the extra `quantize`) in a child process.

llama.cpp runs in a child process because it writes to the terminal, and because native code may crash.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.backends.local import gguf
from harness.core import extras
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.toml import hint

ReportTensors = Callable[[int, int], None]
"""Called with `(tensors done, all tensors)`."""

NUMBERS = {name: number for number, name in gguf.FILE_TYPES.items()}

# lines of the log of llama.cpp's llama_model_quantize
_TENSOR = re.compile(r"\[ *(\d+)/ *(\d+)\] ")
_BITS = re.compile(r"quant size .*\(([\d.]+) BPW\)")
_LARGER = re.compile(r"(\d+) of (\d+) tensor\(s\) required fallback")
_FAILED = "failed to quantize: "


def split(model: str) -> tuple[str, str]:
    """Split `smollm2-135m-instruct:Q8_0` into the model and the quantization, which is empty if not given.

    The text after the last colon counts only if it names a quantization of llama.cpp, in upper or lower case. Paths
    may contain colons.
    """
    base, _, to = model.rpartition(":")
    return (base, to.upper()) if base and to.upper() in NUMBERS else (model, "")


def check(to: str) -> str:
    """A quantization's name as llama.cpp writes it; raises `BackendError` with the nearest name."""
    if to.upper() not in NUMBERS:
        msg = f"no quantization {to!r}{hint(to.upper(), NUMBERS)}"
        raise BackendError(msg)
    return to.upper()


def file_name(stem: str, to: str, origin: str) -> str:
    """`stem.F16-from-Q4_1.gguf`."""
    return f"{stem}.{to}-from-{origin.replace(' ', '-') or 'unknown'}.gguf"


def make(source: Path, target: Path, to: str, report: ReportTensors) -> str:
    """Write `source` quantized to `to` into `target`, atomically; the header keeps the original type.

    Returns a description: bits per weight, and the number of tensors of another type. Raises `BackendUnavailable` if
    the extra is missing or the target cannot be written, `BackendError` if llama.cpp fails.
    """
    extras.check("quantize", f"Quantizing {source.name} to {target.name} needs cyllama", BackendUnavailable)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".make-") as folder:
            raw, part = Path(folder) / "raw.gguf", Path(folder) / "part.gguf"
            description = _convert(source, raw, to, report)
            gguf.stamp(raw, part, gguf.quantization(source) or "unknown")
            part.replace(target)
    except OSError as error:
        msg = f"{target}: cannot be written: {error.strerror or error}"
        raise BackendUnavailable(msg) from None
    return description


def _convert(source: Path, target: Path, to: str, report: ReportTensors) -> str:
    """Convert in a child process; returns the description from its log."""
    # -P: a file in the user's folder must not replace a module
    command = [sys.executable, "-P", "-m", __name__, str(source.resolve()), str(target.resolve()), str(NUMBERS[to])]
    why = bits = larger = last = ""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as child:
        try:
            for line in child.stderr or ():
                if match := _TENSOR.match(line):
                    report(int(match[1]), int(match[2]))
                elif _FAILED in line:
                    why = line.split(_FAILED, 1)[1].strip()
                elif match := _BITS.search(line):
                    bits = f"{match[1]} bits per weight"
                elif match := _LARGER.search(line):
                    larger = f", because {match[1]} of {match[2]} tensors do not fit {to} and took another type"
                else:
                    last = line.strip() or last
            child.wait()
        finally:
            child.kill()
    if child.returncode:
        raise BackendError(_complaint(source, to, child.returncode, why or last))
    return bits + larger


def _complaint(source: Path, to: str, code: int, why: str) -> str:
    if code < 0:
        why = f"llama.cpp was killed by signal {-code}: check free memory and disk space"
    elif "iostream" in why:
        why = "llama.cpp cannot write the file: is the disk full?"
    return f"{source.name} cannot be quantized to {to}: {why or 'llama.cpp gave no reason'}"


def _main(source: str, target: str, number: str) -> None:
    """Entry point of the child process."""
    with extras.needed("quantize", "Quantization needs cyllama", BackendUnavailable):
        from cyllama.llama import llama_cpp  # type: ignore[import-not-found,import-untyped,unused-ignore]

    parameters = llama_cpp.LlamaModelQuantizeParams()
    parameters.ftype = int(number)
    parameters.allow_requantize = True  # the name shows the loss, as `F16 from Q4_1`
    parameters.nthread = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    llama_cpp.model_quantize(source, target, parameters)


if __name__ == "__main__":
    _main(*sys.argv[1:])
