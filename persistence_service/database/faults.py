"""What went wrong, told from a driver's exception: contention, a lost connection, or a refused statement."""

import sqlite3
from enum import Enum

import psycopg2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

__all__ = ["DatabaseFault", "StatementRefused", "classify", "code_of", "first_line", "refusal"]


class DatabaseFault(Enum):
    """What a failed unit of work means for whoever ran it."""

    CONTENTION = "contention"  # another transaction stood in the way: run the unit again
    UNAVAILABLE = "unavailable"  # no connection, no answer in time, or none that may write
    REFUSED = "refused"  # the statement itself: a constraint, a type, a right


class StatementRefused(Exception):  # noqa: N818 - it says what the database did
    """Why the database refused a statement: its code and what it was about, never a value of a row."""


_CONTENTION = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock timeout
_UNAVAILABLE_CLASSES = ("08", "53", "57")  # connection, resources, operator (statement timeout: 57014)
_READ_ONLY = "25006"  # a standby: the primary is, or will be, elsewhere
_SQLITE_CONTENTION = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
}


def classify(error: Exception) -> DatabaseFault:
    """Which fault an exception of SQLAlchemy or a driver is.

    psycopg2 gives a lost connection no code; SQLAlchemy notices by its message and says so in
    `connection_invalidated`.
    """
    if isinstance(error, PoolTimeout):
        return DatabaseFault.UNAVAILABLE
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return DatabaseFault.UNAVAILABLE
        return _classify_driver(error.orig)
    return _classify_driver(error)


def _classify_driver(error: BaseException | None) -> DatabaseFault:
    if isinstance(error, psycopg2.Error):
        return _classify_postgresql(error)
    if isinstance(error, sqlite3.Error):
        return _classify_sqlite(error)
    return DatabaseFault.REFUSED


def _classify_postgresql(error: psycopg2.Error) -> DatabaseFault:
    code = error.pgcode
    if code is None:
        no_answer = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return DatabaseFault.UNAVAILABLE if no_answer else DatabaseFault.REFUSED
    if code in _CONTENTION:
        return DatabaseFault.CONTENTION
    if code == _READ_ONLY or code.startswith(_UNAVAILABLE_CLASSES):
        return DatabaseFault.UNAVAILABLE
    return DatabaseFault.REFUSED


def _classify_sqlite(error: sqlite3.Error) -> DatabaseFault:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest is an extended code
    if primary in _SQLITE_CONTENTION:
        return DatabaseFault.CONTENTION
    return DatabaseFault.UNAVAILABLE if primary in _SQLITE_UNAVAILABLE else DatabaseFault.REFUSED


def code_of(error: Exception) -> str:
    """The database's own code, such as `40001` or `SQLITE_BUSY`; else the exception's class."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg2.Error) and cause.pgcode:
        return cause.pgcode
    return str(getattr(cause, "sqlite_errorname", "") or type(cause).__name__)


def first_line(error: DBAPIError) -> str:
    """What the driver said, without the statement and what it points at."""
    return str(error.orig).strip().splitlines()[0]


def refusal(error: DBAPIError) -> StatementRefused:
    """The error in words fit for a log: a driver's own message may quote the row."""
    words = [code_of(error)]
    if isinstance(error.orig, psycopg2.Error):
        diagnostics = error.orig.diag
        about = {
            "table": diagnostics.table_name,
            "column": diagnostics.column_name,
            "constraint": diagnostics.constraint_name,
        }
        words += [f"{name} {value}" for name, value in about.items() if value]
    elif error.orig is not None and not isinstance(error.orig, sqlite3.DataError):
        words.append(str(error.orig))  # names of tables and columns; SQLite quotes no values
    if error.statement:
        words.append(f"in: {error.statement}")
    return StatementRefused("; ".join(words))
