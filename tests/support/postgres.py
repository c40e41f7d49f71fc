"""A PostgreSQL of Debian's package for the tests that need one: its own data folder and socket, gone afterwards.

Starts in about two seconds as another user where we are root, because PostgreSQL refuses to run as root. Nothing is
written to the disk for certain (`fsync` off): what a power cut does to PostgreSQL is not what is tested here.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

PASSWORD = "pass-word-of-the-team"
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=60", "shared_buffers=16MB")


@dataclass
class Postgres:
    """A server on a port of its own. Every test gets a database of its own from `fresh`."""

    binaries: Path
    data: Path
    port: int
    user: str | None
    """As whom the server runs, where that is not us."""
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self) -> None:
        """Start it, and wait until it listens."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data} " + " ".join(f"-c {each}" for each in SETTINGS)
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.data / "log"), "-o", options, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{next(self._names)}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def url(self, database: str, user: str = "team", password: str = PASSWORD) -> str:
        """How a user reaches a database."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str) -> list[tuple[object, ...]]:
        """A statement as the superuser, and the rows that it gives."""
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=team password={PASSWORD} dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def make(self) -> None:
        """A new cluster whose superuser `team` has a password."""
        secret = self.data.parent / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # for the user that the server runs as; the folder is closed to everybody else
        # sorts as a person would, and not by the bytes, so that it shows where an order is left to the database
        quick = (
            "--no-sync",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
        )
        self._run("initdb", "-D", str(self.data), "-U", "team", f"--pwfile={secret}", *quick)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *command]
        # no pipes: the server would inherit them, and we would wait for their end for ever
        out = self.data.parent / "out"
        with out.open("w") as said:
            ended = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", check=False)
        if ended.returncode:
            log = self.data / "log"
            msg = f"{program}: {out.read_text()}{log.read_text()[-2000:] if log.exists() else ''}"
            raise RuntimeError(msg)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server for as long as it is needed. Skips the test where there is none to be had."""
    binaries = _binaries()
    user = None
    if os.geteuid() == 0:
        user = next((name for name in ("postgres", "nobody") if _exists(name)), None)
        if user is None or shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no user or no setpriv to run it by")
    folder = Path(tempfile.mkdtemp(prefix="harness-pg-", dir=_in_memory()))
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        found = pwd.getpwnam(user)
        for each in (folder, data):
            os.chown(each, found.pw_uid, found.pw_gid)
    server = Postgres(binaries, data, _free_port(), user)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if (data / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _in_memory() -> str | None:
    """A folder that is no disk, where there is one with room for some twenty databases."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 1_000_000_000 else None


def _binaries() -> Path:
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip('no psycopg: pip install "prompt-portability-harness[postgres]"')
    found = shutil.which("pg_ctl")
    of_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    if not found and not of_debian:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    return of_debian[-1].parent if of_debian else Path(str(found)).parent


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
