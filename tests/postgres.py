"""A PostgreSQL server of our own: a fresh cluster in a temporary folder, on a free port, ended by its process id."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

__all__ = ["PostgresServer", "programs"]

PASSWORD = "se/cr@t"  # noqa: S105 - of a server that lives as long as the tests
"""With characters that an address has to escape."""

_START_SECONDS = 60.0


def programs() -> Path | None:
    """Folder of the newest installed PostgreSQL programs; None if there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """A server with password authentication, as an unprivileged user (it refuses to be root)."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="tg-postgres-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam("postgres").pw_uid if os.getuid() == 0 else None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> Self:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            for path in (self._folder, password):
                os.chown(path, self._user, -1)
        options = ["--username=tg", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"]
        made = self._run("initdb", "--pgdata", str(self._folder / "data"), "--locale=C", *options)
        assert made.wait() == 0, (self._folder / "output").read_text()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = ["fsync=off", f"unix_socket_directories={self._folder}", "max_connections=40"]
        arguments = ["-D", str(self._folder / "data"), "-h", "127.0.0.1", "-p", str(self.port)]
        self._process = self._run("postgres", *arguments, *(f"-c{one}" for one in settings))
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.execute(sql.SQL("SELECT 1"))
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "output").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it as a crash would; what was committed is there again when it starts."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # the gentle ways write a checkpoint first, for a minute
            self._process.wait()
            self._process = None

    def url(self, database: str, password: str = PASSWORD) -> str:
        """The address of a database."""
        secret = password.replace("/", "%2F").replace("@", "%40")
        return f"postgresql+psycopg://tg:{secret}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """A fresh database, empty or a copy of another one; returns its address."""
        name = f"tg_{secrets.token_hex(6)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def execute(self, statement: sql.SQL | sql.Composed) -> None:
        """A statement on the server as a whole."""
        target = f"host=127.0.0.1 port={self.port} user=tg password={PASSWORD} dbname=postgres connect_timeout=5"
        with psycopg.connect(target, autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                [str(self._programs / program), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user,
            )
