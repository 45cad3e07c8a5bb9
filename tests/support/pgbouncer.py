"""A real PgBouncer in transaction mode before a test's PostgreSQL, from the machine's own package."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from sqlalchemy import NullPool, create_engine

from persistence_service.database import DatabaseOptions, normalise_url
from persistence_service.database.session import set_for_role
from tests.support.ports import HeldPorts
from tests.support.postgres import NOBODY

COMMAND = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
_START_SECONDS = 30.0
# Ends it, by its process id, once the test process is gone, however that ended.
_WATCHDOG = 'read -r _; kill -KILL "$0"'
# Whoever connects is known by the server's own list of roles, which the superuser may read.
_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {listen_port}
unix_socket_dir =
pool_mode = {mode}
auth_type = trust
auth_user = postgres
auth_query = SELECT rolname, '' FROM pg_roles WHERE rolname = $1
auth_file = {folder}/users
admin_users = postgres
max_client_conn = 1000
default_pool_size = 10
server_idle_timeout = 5
logfile = {folder}/log
pidfile = {folder}/pid
"""


class Pooler:
    """PgBouncer on a port of its own; `close` ends it, by its process id."""

    def __init__(self, port: int, mode: str = "transaction") -> None:
        """Start it before the server at this port, which trusts whoever connects.

        Raises:
            RuntimeError: it does not listen; carries what it said.
        """
        self.server_port = port
        self._ports = HeldPorts()
        self.address = self._ports.listen()
        self._folder = Path(tempfile.mkdtemp(prefix="consensus-pooler-"))
        host, _, listen_port = self.address.partition(":")
        settings = _SETTINGS.format(
            port=port, host=host, listen_port=listen_port, mode=mode, folder=self._folder
        )
        (self._folder / "settings.ini").write_text(settings, encoding="utf-8")
        (self._folder / "users").write_text('"postgres" ""\n', encoding="utf-8")
        if os.geteuid() == 0:  # as root it does not run
            os.chown(self._folder, NOBODY, NOBODY)
        self._start()

    def url(self, direct: str) -> str:
        """A database of the server, through the pooler."""
        parts = urlsplit(direct)
        return urlunsplit(parts._replace(netloc=f"{parts.username}@{self.address}"))

    def options(self, direct: DatabaseOptions) -> DatabaseOptions:
        """The same database as a service behind the pooler has it, its role given what a session needs."""
        engine = create_engine(direct.url, poolclass=NullPool)
        set_for_role(engine, "", direct.statement_timeout)
        self.reconnect()
        through = normalise_url(self.url(direct.url.render_as_string(hide_password=False)))
        return replace(direct, url=through, migrate_url=direct.url, pooler_mode="transaction")

    def restart(self, *, away_seconds: float) -> None:
        """End it as a crash would, and start it again at its address."""
        self._stop()
        time.sleep(away_seconds)
        self._start()

    def reconnect(self) -> None:
        """Have it open its connections to the server anew."""
        with closing(self._console()) as console, console.cursor() as cursor:
            cursor.execute("RECONNECT")

    def close(self) -> None:
        """End it, and remove its files."""
        self._stop()
        self._ports.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        assert COMMAND is not None
        user = NOBODY if os.geteuid() == 0 else None
        self._process = subprocess.Popen(
            [COMMAND, "--quiet", str(self._folder / "settings.ini")], user=user, group=user,
            cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, str(self._process.pid)], stdin=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _stop(self) -> None:
        self._watchdog.communicate()
        self._process.wait()

    def _console(self) -> psycopg2.extensions.connection:
        console = psycopg2.connect(f"postgresql://postgres@{self.address}/pgbouncer")
        console.autocommit = True
        return console

    def _wait(self) -> None:
        ends = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._console().close()
            except psycopg2.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > ends:
                    log = self._folder / "log"
                    said = log.read_text(encoding="utf-8") if log.exists() else ""
                    raise RuntimeError(f"PgBouncer does not listen: {error}{said}") from error
                time.sleep(0.05)
            else:
                return


class Poolers:
    """Lends one pooler for each server, started when first asked for."""

    def __init__(self) -> None:
        self._by_port: dict[int, Pooler] = {}

    def before(self, port: int) -> Pooler:
        """The pooler before the server at this port of the loopback."""
        if port not in self._by_port:
            self._by_port[port] = Pooler(port)
        return self._by_port[port]

    def close(self) -> None:
        """End all of them."""
        for pooler in self._by_port.values():
            pooler.close()
        self._by_port.clear()
