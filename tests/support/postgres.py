"""A temporary PostgreSQL server from Debian's package, with a separate data folder and socket.

The server starts in about two seconds. If the tests run as root, it runs as another user, because PostgreSQL refuses to
run as root. `fsync` is off: no test checks PostgreSQL after a power failure.
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
    """A server on a free port. Each test creates a database with `fresh`."""

    binaries: Path
    data: Path
    port: int
    user: str | None
    """The user that runs the server; `None` is the current user."""
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data} " + " ".join(f"-c {each}" for each in SETTINGS)
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.data / "log"), "-o", options, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop the server as a crash would."""
        self._run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def fresh(self) -> str:
        """Create an empty database and return its URL."""
        name = f"t{next(self._names)}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def url(self, database: str, user: str = "team", password: str = PASSWORD) -> str:
        """Return the URL of a database for a user."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str) -> list[tuple[object, ...]]:
        """Run a statement as the superuser and return the rows."""
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=team password={PASSWORD} dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def make(self) -> None:
        """Create a cluster whose superuser `team` has a password."""
        secret = self.data.parent / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # readable by the server's user; other users cannot enter the folder
        # a collation other than byte order reveals queries whose order depends on the database
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
        # no pipes: the server would inherit them and keep them open, and `run` would never return
        out = self.data.parent / "out"
        with out.open("w") as output:
            ended = subprocess.run(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False
            )
        if ended.returncode:
            log = self.data / "log"
            msg = f"{program}: {out.read_text()}{log.read_text()[-2000:] if log.exists() else ''}"
            raise RuntimeError(msg)


@contextmanager
def running() -> Iterator[Postgres]:
    """Run a server inside the `with` block. Skips the test if PostgreSQL is not available."""
    binaries = _binaries()
    user = None
    if os.geteuid() == 0:
        user = next((name for name in ("postgres", "nobody") if _exists(name)), None)
        if user is None or shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no other user or no setpriv")
    folder = Path(tempfile.mkdtemp(prefix="harness-pg-", dir=_in_memory()))
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        account = pwd.getpwnam(user)
        for each in (folder, data):
            os.chown(each, account.pw_uid, account.pw_gid)
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
    """Return a folder in memory with space for about twenty databases; `None` without such a folder."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 1_000_000_000 else None


def _binaries() -> Path:
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip('no psycopg: pip install "prompt-portability-harness[postgres]"')
    program = shutil.which("pg_ctl")
    of_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    if not program and not of_debian:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    return of_debian[-1].parent if of_debian else Path(str(program)).parent


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
