"""Copies of a SQLite database: of one in use, while writers go on, and back into its place."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine

from persistence_service.database.migrating import verify_known
from persistence_service.database.startup import StartRefused

PAGES_PER_STEP = 1000
"""Between two steps the copy can be interrupted, and tells how far it is."""

Progress = Callable[[int, int], None]
"""Told how many pages are still to be copied, and of how many."""


def copy_database(source: Path, target: Path, *, overwrite: bool, progress: Progress) -> int:
    """Makes `target` a copy of what is committed in `source` now; answers its size in bytes.

    It is one file, without a log beside it, checked from end to end and on its disk before it has its name.
    One reading transaction sees it all: writers go on meanwhile, and do not make the copy begin anew. Their
    log grows until it is done.

    Raises:
        StartRefused: there is no database of this service at `source`, a file stands at `target`, or the copy
            does not hold together.
    """
    if target.exists() and not overwrite:
        raise _is_there(target)
    with _made(target) as partial:
        size = _copy(source, partial, progress)
        if overwrite:
            partial.replace(target)
        else:
            _link(partial, target)
    _flush(target.parent)
    return size


def put_in_place(copy: Path, path: Path, *, progress: Progress) -> int:
    """Makes a copy the database at `path`, which nobody may have open; answers its size in bytes.

    Raises:
        StartRefused: as `copy_database`.
    """
    with _made(path) as partial:
        size = _copy(copy, partial, progress)
        # The log of the one that goes, or its journal, would be taken for that of the one that comes.
        for suffix in ("-journal", "-wal", "-shm"):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
        _flush(path.parent)
        partial.replace(path)
    _flush(path.parent)
    return size


def holds_data(path: Path) -> bool:
    """Whether there is anything in the database at `path`."""
    return any(
        each.exists() and each.stat().st_size > 0 for each in (path, path.with_name(f"{path.name}-wal"))
    )


def verify_copy(path: Path) -> str:
    """Checks that a file is a whole database, which this release can serve; answers its schema's revision.

    Raises:
        StartRefused: it is not.
    """
    with _refused_as(path), closing(_connect(path, "ro")) as connection:
        said = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
    if said != ["ok"]:
        raise StartRefused(f"{path} is damaged: {said[0]}")
    engine = create_engine("sqlite://", creator=lambda: _connect(path, "ro"), poolclass=NullPool)
    with engine.connect() as connection:
        return verify_known(connection, str(path))


def _copy(source: Path, target: Path, progress: Progress) -> int:
    with (
        _refused_as(source),
        closing(_connect(source, "rw" if _has_log(source) else "ro")) as reading,
        closing(_connect(target, "rw")) as writing,
    ):
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchall()
        reading.backup(writing, pages=PAGES_PER_STEP, progress=lambda _, left, count: progress(left, count))
        writing.execute("PRAGMA journal_mode = DELETE").fetchall()
    verify_copy(target)
    _flush(target)
    return target.stat().st_size


def _has_log(path: Path) -> bool:
    return path.with_name(f"{path.name}-wal").exists()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Opens a file that is there."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)


@contextmanager
def _made(target: Path) -> Iterator[Path]:
    """A new file beside `target`, for its owner alone, which goes unless it takes the other's name."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise StartRefused(f"cannot write {partial}: {error.strerror}") from None
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _link(partial: Path, target: Path) -> None:
    try:
        target.hardlink_to(partial)
    except FileExistsError:
        raise _is_there(target) from None


def _is_there(target: Path) -> StartRefused:
    return StartRefused(f"{target} is there already; --force replaces it.")


@contextmanager
def _refused_as(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StartRefused(f"{path} cannot be read: {error}") from None


def _flush(path: Path) -> None:
    """Has the disk keep a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
