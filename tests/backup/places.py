"""Where a drill keeps its database, and how docs/backup.md backs it up, loses it and restores it."""

import os
import shutil
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tests.support.page_commands import Page
from tests.support.postgres import Cluster

PAGE = Page("backup.md")
_ARCHIVE_SECONDS = 2


class Place(Protocol):
    """A database that can be lost."""

    name: str
    url: str

    def prepare(self) -> None:
        """What is done once, before it is served."""

    def backup(self) -> None:
        """While it is served."""

    def destroy(self) -> None:
        """Its process, if it has one, and its files are gone at once."""

    def restore(self) -> None:
        """As the page says; nobody uses it meanwhile."""


class SqlitePlace:
    """A file, and a copy of it elsewhere."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        self.url = f"sqlite:///{self._data / 'consensus.db'}"

    def prepare(self) -> None:
        self._data.mkdir()

    def backup(self) -> None:
        PAGE.succeed("sqlite backup", self._elsewhere, DATABASE_URL=self.url)

    def destroy(self) -> None:
        shutil.rmtree(self._data)

    def restore(self) -> None:
        self._data.mkdir()
        PAGE.succeed("sqlite restore", self._elsewhere, DATABASE_URL=self.url)


class PostgresPlace:
    """A cluster, a base backup of it and its archived log."""

    name = "PostgreSQL"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.url = cluster.create_database()
        self._archive, self._backup = cluster.folder / "archive", cluster.folder / "backup"

    def prepare(self) -> None:
        self._folder(self._archive)
        self._run("archive")
        self._cluster.restart()
        # The page says a minute, for which a drill does not wait.
        self._cluster.execute(f"ALTER SYSTEM SET archive_timeout = {_ARCHIVE_SECONDS}")
        self._cluster.execute("SELECT pg_reload_conf()")

    def backup(self) -> None:
        self._run("base backup")

    def destroy(self) -> None:
        self._cluster.kill()
        shutil.rmtree(self._cluster.data)

    def restore(self, until: str = "") -> None:
        """As far as the archive goes, or `until` an instant."""
        self._folder(self._cluster.data)
        self._run("restore base backup")
        if until:
            self._run("until", UNTIL=until)
        self._cluster.start()
        self._cluster.wait_for("SELECT NOT pg_is_in_recovery()")
        self._run("recovered")

    def end_segment(self) -> None:
        """Have all that was written until now archived."""
        segment = self._cluster.ask("SELECT pg_walfile_name(pg_switch_wal())")
        self._cluster.wait_for(f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver")

    def _folder(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        if self._cluster.user is not None:
            os.chown(path, self._cluster.user, self._cluster.user)

    def _run(self, block: str, **variables: str) -> None:
        PAGE.succeed(
            block, self._cluster.folder, user=self._cluster.user, PGDATA=str(self._cluster.data),
            ARCHIVE=str(self._archive), BACKUP=str(self._backup), ADMIN_URL=self._cluster.admin_url,
            **variables,
        )  # fmt: skip


def renamed(url: str, database: str) -> str:
    """Another database of the same server, for the same role."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()
