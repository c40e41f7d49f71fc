"""Wall and CPU time of a run against a fake server that replies after 50 ms.

    python bench/speed/throughput.py                        # five rounds of 10,000 cases, about three minutes
    python bench/speed/throughput.py --server FILE          # another server, started as `FILE --port 0 --latency-ms 50`

A round measures, in this order: the floor (a bare client that sends the same requests and discards the replies),
`harness run`, and the same command again, which takes every reply from the store. Ideal is cases × latency /
connections. CPU is user and system time of the client's process tree. The machines are noisy: compare the ratios of
one round.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _tickets

FLOOR = """
import asyncio, json, sys
from urllib.parse import urlsplit
sys.path.insert(0, sys.argv[1])
import _tickets

async def main(url, n, connections):
    parts = urlsplit(url)
    pending = iter([text for text, _ in _tickets.tickets(n)])
    async def worker():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for text in pending:
            messages = [{"role": "user", "content": f"<ticket>{text}</ticket>"}]
            body = json.dumps({"model": "mock-1", "messages": messages, "temperature": 0.0}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: {len(body)}\\r\\n\\r\\n"
            writer.write(head.encode() + body)
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\\r\\n")[0])
            json.loads(await reader.readexactly(length))["choices"][0]["message"]["content"]
        writer.close()
    await asyncio.gather(*(worker() for _ in range(connections)))

asyncio.run(main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def timed(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Return wall seconds, CPU seconds and peak memory in MB of a command."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{output}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000, help="cases")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", type=Path, help="a server of your own")
    args = parser.parse_args()
    ideal = args.n * args.latency_ms / 1000 / args.connections
    here = str(Path(__file__).parent)
    run = [sys.executable, "-m", "harness", "run", "tickets", "--variant", "gpt"]
    measured: dict[str, list[tuple[float, float, int]]] = {"floor": [], "harness run": [], "again, from the store": []}
    with _tickets.server(args.latency_ms, args.server) as url, tempfile.TemporaryDirectory() as folder:
        floor = [sys.executable, "-c", FLOOR, here, url, str(args.n), str(args.connections)]
        for each in range(args.rounds):
            project = _tickets.make_project(Path(folder) / str(each), args.n, url, args.connections)
            measured["floor"].append(timed(floor, project))
            measured["harness run"].append(timed(run, project))
            measured["again, from the store"].append(timed(run, project))
    print(f"{args.n:,} cases, {args.connections} connections, {args.latency_ms:g} ms a reply; medians of {args.rounds}")
    print(f"ideal {ideal:.1f} s; {resource.getpagesize()} bytes a page, {os.cpu_count()} cores\n")
    print("| | wall s | × ideal | CPU ms a case | peak MB |\n|---|---|---|---|---|")
    for name, rounds in measured.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = f"{wall / ideal:.2f}" if "store" not in name else ""
        print(f"| {name} | {wall:.1f} | {ratio} | {cpu / args.n * 1000:.2f} | {peak:.0f} |")
    over = [run[1] / bare[1] for run, bare in zip(measured["harness run"], measured["floor"], strict=True)]
    print(f"\nCPU of harness run over the floor, round by round: {', '.join(f'{ratio:.1f}×' for ratio in over)}")


if __name__ == "__main__":
    main()
