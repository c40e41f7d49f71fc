"""Cost of reading a model file's quantization: harness/backends/local/gguf.py compared with the package `gguf`.

    python bench/speed/gguf_header.py MODEL.gguf       time of a cold import and of a read, peak memory of the process
    python bench/speed/gguf_header.py                  results for damaged files, with at most 3 GB of memory

`gguf` is not a dependency of the harness: install it in a temporary environment.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

READ = """
import resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
started = time.perf_counter()
IMPORT
imported = time.perf_counter()
try:
    found = CALL
except Exception as error:
    found = f"{type(error).__name__}: {error}".replace(sys.argv[1], "FILE")[:70]
read = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"import {imported - started:.4f} s  read {read - imported:.4f} s  peak {peak:.0f} MB  {found}")
"""
READERS = {
    "harness.backends.local.gguf": ("from harness.backends.local import gguf", "gguf.quantization(Path(sys.argv[1]))"),
    "gguf": ("from gguf import GGUFReader", 'GGUFReader(sys.argv[1]).fields["general.file_type"].contents()'),
}
ARRAY, STRING, UINT8, UINT32 = 9, 8, 0, 4


def start(pairs: int, tensors: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs)


def key(name: bytes, kind: int) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind)


def array(kind: int, count: int) -> bytes:
    return struct.pack("<IQ", kind, count)


def damaged() -> dict[str, bytes]:
    """Return name -> content of damaged and malicious files."""
    file_type = key(b"general.file_type", UINT32) + struct.pack("<I", 15)
    empty = b"".join(key(b"k%d" % i, ARRAY) + array(UINT32, 0) for i in range(100_000))
    return {
        "empty": b"",
        "two bytes": b"GG",
        "magic only": b"GGUF",
        "a web page": b"<html>not found</html>",
        "ends in a key": (start(1) + file_type)[:40],
        "ends in a value": (start(1) + file_type)[:-2],
        "string of 2^63 bytes": start(1) + struct.pack("<Q", 1 << 63),
        "array of 2^40 bytes": start(1) + key(b"a", ARRAY) + array(UINT8, 1 << 40),
        "array of 2^40 strings": start(1) + key(b"a", ARRAY) + array(STRING, 1 << 40),
        "2^60 pairs": start(1 << 60) + file_type,
        "unknown type": start(1) + key(b"k", 99),
        "5,000 arrays in each other": start(1) + key(b"a", ARRAY) + array(ARRAY, 1) * 5000 + array(UINT32, 0),
        "a key twice": start(2) + file_type + file_type,
        "a key that is not UTF-8": start(1) + key(b"\xff\xfe", UINT32) + struct.pack("<I", 1),
        "2^40 tensors": start(1, 1 << 40) + file_type,
        "100,000 empty arrays": start(100_000) + empty,
    }


def read(path: Path, what: str) -> None:
    for name, (imported, call) in READERS.items():
        code = READ.replace("IMPORT", imported).replace("CALL", call)
        ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        print(f"{what}{name:13} {(ended.stdout or ended.stderr).strip().splitlines()[-1]}")


def main(paths: list[str]) -> None:
    for path in paths:
        read(Path(path), "")
    if not paths:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "damaged.gguf"
            for what, content in damaged().items():
                path.write_bytes(content)
                read(path, f"{what:27} ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="GGUF files; without any, damaged files are read")
    main(parser.parse_args().models)
