"""Faults of the process, the store, the clock and the server as a whole, for bench/faults/faults.py."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from _faulty_disk import after_power_cut, diary
from _faulty_replies import another_model as serves_another
from _faulty_scene import DURABLE_S, Scene
from _faulty_server import WARM_UP, Question, Wire

from harness.store.runs import open_store

Do = Callable[[Scene], None]
SEED = 1
SMALL_DISK_KB = 192
CUTS = 60


class Skipped(Exception):
    """Raised if this machine cannot produce the fault; the message says why."""


# Ends of the process


def killed_often(scene: Scene) -> None:
    """Kill the run five times; each time it must be resumable."""
    chance = random.Random(SEED)
    for _ in range(5):
        process = scene.start("--resume")
        scene.wait_for(chance.randint(5, 70), process)
        time.sleep(chance.random() * 0.1)
        scene.end(process, signal.SIGKILL)
        scene.finish(process)


def killed_at_start(scene: Scene) -> None:
    """Kill runs during the creation of the store, until one finishes first."""
    chance = random.Random(SEED)
    usual = seconds_to_start()
    for _ in range(6):
        process = scene.start("--resume")
        time.sleep(usual * (0.6 + chance.random()))
        scene.end(process, signal.SIGKILL)
        if scene.finish(process) == "done":
            break


def ended_by(name: str) -> Do:
    """Return a fault that sends a termination signal."""

    def do(scene: Scene) -> None:
        process = scene.start()
        scene.wait_for(scene.cases // 2, process)
        scene.end(process, signal.Signals[name])
        scene.finish(process)

    return do


def resumed_twice(scene: Scene) -> None:
    """Resume a run twice at the same time."""
    process = scene.start()
    scene.wait_for(scene.cases // 4, process)
    scene.end(process, signal.SIGKILL)
    scene.finish(process)
    scene.most_runs = 2  # the second one may find all answered, and make a run of its own of that
    both = [scene.start("--resume"), scene.start("--resume")]
    for process in both:
        scene.finish(process)


# The store


def power_cut(scene: Scene) -> None:
    """Check the stores that power cuts at many moments would leave: each opens and holds replies older than a second.

    One of them is used to resume a run.
    """
    scene.environment |= {"LD_PRELOAD": str(world(scene.folder)), "FAULTY_DIARY": str(scene.folder / "diary")}
    process = scene.start()
    scene.wait_for(scene.cases * 3 // 4, process)
    scene.end(process, signal.SIGKILL)
    scene.finish(process)
    entries = diary(scene.folder / "diary")
    answers = [(one.sent_at, n) for n, said in scene.server.answers.items() if n != WARM_UP for one in said]
    first = next(place for place, entry in enumerate(entries) if entry.when >= min(answers)[0])
    chance = random.Random(SEED)
    for cut in sorted(chance.sample(range(first, len(entries)), CUTS)):
        shutil.rmtree(scene.store.parent)
        scene.store.parent.mkdir()
        after_power_cut(entries[: cut + 1], chance, scene.store.parent)
        safe = {f"c-{n:04}" for sent_at, n in answers if sent_at + DURABLE_S < entries[cut].when}
        kept = {result.case.id for result in scene.results()}
        if not safe <= kept:
            scene.troubles.append(f"{len(safe - kept)} ANSWERS GONE")
    scene.moments.append(entries[cut].when)


def disk_full(scene: Scene) -> None:
    """Fill a file system of a few hundred kilobytes, then free space."""
    scene.store.parent.mkdir()
    mount(scene.store.parent, f"size={SMALL_DISK_KB}k")
    try:
        scene.run()
        mount(scene.store.parent, "remount,size=64m")
        scene.store_failed()
        scene.go_on()
        copy = scene.folder / "copy"
        shutil.copytree(scene.store.parent, copy)
    finally:
        subprocess.run(["umount", str(scene.store.parent)], check=False)
    scene.store.parent.rmdir()
    copy.rename(scene.store.parent)


def mount(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "faults", str(folder)], check=False, capture_output=True
    )
    if done.returncode:
        msg = "only root may mount a small disk"
        raise Skipped(msg)


def file_limit(scene: Scene) -> None:
    """Limit the file size, as `ulimit -f` does."""
    scene.run(limit_bytes=SMALL_DISK_KB * 1024)
    scene.store_failed()


def locked_for(seconds: float) -> Do:
    """Lock the store from the middle of the run."""

    def do(scene: Scene) -> None:
        process = scene.start()
        scene.wait_for(20, process)
        with scene.locked():
            time.sleep(seconds)
        if scene.finish(process) != "done":
            scene.store_failed()

    return do


# The machine


def world(folder: Path) -> Path:
    """Compile the library that is preloaded between a process and its system."""
    source, library = Path(__file__).with_name("_faulty_world.c"), folder / "world.so"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        msg = "no C compiler"
        raise Skipped(msg)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"], check=True
    )
    return library


def clock(seconds: int) -> Do:
    """Move the clock in the middle of a run, kill the run, and resume it with the wrong clock."""

    def do(scene: Scene) -> None:
        library = str(world(scene.folder))
        scene.server.latency_s = 0.1
        scene.environment |= {"LD_PRELOAD": library, "FAULTY_CLOCK": f"{seconds_to_start() + 1},{seconds}"}
        process = scene.start()
        scene.wait_for(scene.cases // 2, process)
        scene.end(process, signal.SIGKILL)
        scene.finish(process)
        scene.environment["FAULTY_CLOCK"] = f"0,{seconds}"
        scene.run("--resume")

    return do


def seconds_to_start() -> float:
    """Return roughly how long this machine takes to start a run."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "harness", "run", "--help"], check=True, capture_output=True)
    return time.monotonic() - started


def no_name(scene: Scene) -> None:
    """Disable name resolution from the start."""
    rename(scene, "no-such-host.invalid")
    scene.run("-b", "server")
    rename(scene, "127.0.0.1")


def no_name_for_a_while(scene: Scene) -> None:
    """Disable name resolution in the middle of a run whose requests each need a new connection."""
    rename(scene, "localhost")
    scene.server.latency_s = 0.1
    scene.server.serve = serves_once
    after = seconds_to_start() + 1
    scene.environment |= {"LD_PRELOAD": str(world(scene.folder)), "FAULTY_NAMES": f"{after},{after + 2}"}
    scene.run()


def serves_once(_: Question, wire: Wire) -> None:
    """Reply and announce `connection: close`."""
    wire.answer()
    wire.close()


def rename(scene: Scene, host: str) -> None:
    """Write another host name of the server to harness.toml."""
    path = scene.folder / "harness.toml"
    text = path.read_text(encoding="utf-8")
    old = text.partition('base_url = "http://')[2].partition(":")[0]
    path.write_text(text.replace(f"http://{old}:", f"http://{host}:"), encoding="utf-8")


# The server as a whole


def restart(scene: Scene) -> None:
    """Stop the server for three seconds."""
    process = scene.start()
    scene.wait_for(scene.cases // 3, process)
    scene.server.stop()
    time.sleep(3)
    scene.server.start()
    scene.finish(process)


def hangs_up_on_greeting(scene: Scene) -> None:
    """Close connections before a request is read."""
    scene.server.serve = serves_once
    scene.server.greet = lambda place: place % 3 != 0
    scene.run()


def slow_first_reply(seconds: float) -> Do:
    """Delay all replies while the model is loaded."""

    def do(scene: Scene) -> None:
        ready = time.monotonic() + seconds

        def loading(_: Question, wire: Wire) -> None:
            wire.wait(ready - time.monotonic())
            wire.answer()

        scene.server.serve = loading
        scene.run()
        if scene.warm_ups() > 1:
            scene.troubles.append(f"{scene.warm_ups()} WARM-UPS")

    return do


def another_model(scene: Scene) -> None:
    """Replace the model; the run must name both models."""
    scene.server.serve = serves_another
    scene.run()
    store = open_store(f"sqlite:///{scene.store}")
    served = store.manifests()[0].fingerprint.get("served_model", "")
    store.close()
    if "faulty-1" not in served or "faulty-2" not in served:
        scene.troubles.append(f"SERVED BY {served!r} ONLY")
