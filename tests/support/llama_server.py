"""Start llama.cpp's HTTP server in a separate process: `python llama_server.py MODEL.gguf`.

With `--embeddings`, the server also returns vectors. It prints its address, and ends when its standard input is closed.
"""

from __future__ import annotations

import sys

import xllamacpp


def main(path: str, *switches: str) -> None:
    """Serve until standard input is closed."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_parallel = 1
    parameters.n_ctx = 4096
    parameters.verbosity = -1
    if "--embeddings" in switches:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)  # noqa: T201  whoever started it reads this
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
