"""SQLite's files: one process has them, and they are still those that were opened.

What is removed goes on working until its end.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database.filelock import FileLock
from persistence_service.database.startup import StartRefused

log = get_logger()


class StoredFile:
    """The file of an open database, and its log; connections keep them alive when their names are gone.

    A connection of its own makes that the log is one and the same file as long as it is open.
    """

    def __init__(self, path: Path) -> None:
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._lock = FileLock(path)
        self._opened: dict[Path, tuple[int, int]] = {}
        self._anchor: sqlite3.Connection | None = None
        self._is_gone = False

    def hold(self, wait: float) -> None:
        """Keeps other processes away from it, for `wait` seconds at most; makes it where there is none.

        Raises:
            StartRefused: it cannot be written, or belongs to another process.
        """
        path = self._paths[0]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Ideas and drafts are nobody else's to read; SQLite gives its other files the same mode.
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise StartRefused(
                f"cannot write the database's file {path}: {error.strerror or error}. "
                "DATABASE_URL names another."
            ) from None
        self._lock.acquire(wait)

    def open(self) -> None:
        """Takes note of which files they are."""
        self._anchor = sqlite3.connect(self._paths[0], check_same_thread=False)
        with closing(self._anchor.execute("SELECT count(*) FROM sqlite_master")) as cursor:
            cursor.fetchall()
        self._opened = {path: _identity(path) for path in self._paths}

    def close(self) -> None:
        """Lets go of them, and lets others have them."""
        if self._anchor is not None:
            self._anchor.close()
        self._opened = {}
        self._lock.release()

    def check(self) -> None:
        """Nothing while the next start would find what is written now.

        Raises:
            DatabaseUnavailable: it would not.
        """
        cause = self._fault()
        if cause and not self._is_gone:
            log.error("database_file_gone", cause=cause)
        self._is_gone = bool(cause)
        if cause:
            raise DatabaseUnavailable

    def _fault(self) -> str:
        for path, opened in self._opened.items():
            try:
                found = _identity(path)
            except OSError:
                return f"{path.name} is not there any more"
            if found != opened:
                return f"{path.name} is another file now"
        return ""


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
