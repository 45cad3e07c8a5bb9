"""One process per SQLite file: an advisory lock on a file beside it, freed by the system however we end."""

import fcntl
import os
import time
from pathlib import Path

from persistence_service.database.startup import StartRefused

POLL_SECONDS = 0.05


class FileLock:
    """A lock beside a database's file, held from `acquire` to `release`."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}.lock")
        self._descriptor: int | None = None

    def acquire(self, wait: float = 0.0) -> None:
        """Takes the lock, waiting up to `wait` seconds for it; does nothing if it is held already.

        Raises:
            StartRefused: while another process holds it.
        """
        if self._descriptor is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise StartRefused(self._refusal(holder))
            time.sleep(POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Frees the lock; the file stays, since removing it would let two processes lock different files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refusal(self, holder: str) -> str:
        return (
            f"{self._database} is in use by another persistence process (process id {holder or 'unknown'}); "
            "a SQLite database takes one. Stop that one, or use PostgreSQL for more than one."
        )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
