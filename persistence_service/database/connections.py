"""Connections as others than their user see them: how long one has been busy, and how to free it."""

import contextlib
import os
import socket
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from time import monotonic
from typing import Any, TypeAlias

import psycopg2.extensions

from persistence_service.database.interrupts import Interrupt


class Connections:
    """The open connections of an engine, so that others than their user can count and cut them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: weakref.WeakSet[PostgresConnection] = weakref.WeakSet()
        self.checked_out = 0

    def add(self, connection: object) -> None:
        """Remembers a new connection."""
        if isinstance(connection, PostgresConnection):
            with self._lock:
                self._live.add(connection)

    def count(self, change: int) -> None:
        """Counts a connection that was taken (1) or given back (-1)."""
        with self._lock:
            self.checked_out += change

    def cut(self, busy_longer_than: float | None = None) -> int:
        """Shuts the sockets of all connections, or of those that have awaited one answer for so many seconds;
        whoever waits on one fails now. Answers how many.
        """
        with self._lock:
            live = list(self._live)
        if busy_longer_than is not None:
            since = monotonic() - busy_longer_than
            live = [each for each in live if each.busy_since is not None and each.busy_since < since]
        return sum(connection.cut() for connection in live)


class PostgresConnection(psycopg2.extensions.connection):
    """A connection that can be ended from another thread.

    A database that has become a black hole, or a backend that was stopped, blocks psycopg2 whatever the
    timeouts of libpq and of the server say.
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        super().__init__(dsn, **options)
        self.cursor_factory = _WatchedCursor
        self.busy_since: float | None = None
        self._gate = threading.Lock()
        self._local = _local_name(self.fileno())
        address = self.pgconn_ptr
        assert address is not None, "it has just been opened"
        self._interrupt = Interrupt(address)

    def close(self) -> None:
        """Closes, but not while `cut` looks at the socket."""
        with self._gate:
            super().close()

    def commit(self) -> None:
        """As the driver's, and the time of waiting for it is known."""
        with self.busy():
            super().commit()

    def rollback(self) -> None:
        """As `commit`."""
        with self.busy():
            super().rollback()

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Says since when an answer is awaited."""
        self.busy_since = monotonic()
        try:
            yield
        finally:
            self.busy_since = None

    def interrupt(self) -> None:
        """Asks the server to give the statement up; one that does not answer is waited for `connect_timeout`.

        The request goes its own way and may arrive when the statement has ended: the connection must not be
        used for another one.
        """
        self._interrupt.send()

    def cut(self) -> bool:
        """Shuts the socket; whether there was one.

        The socket's own name is compared first: libpq may have closed it, and its number be another's.
        """
        with self._gate, contextlib.suppress(OSError, psycopg2.Error):
            if self.closed or _local_name(self.fileno()) != self._local:
                return False
            with socket.socket(fileno=os.dup(self.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)
            return True
        return False


class _WatchedCursor(psycopg2.extensions.cursor):
    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - the driver's name
        connection = self.connection
        if not isinstance(connection, PostgresConnection):
            super().execute(query, vars)
            return
        connection.busy_since = monotonic()
        try:
            super().execute(query, vars)
        finally:
            connection.busy_since = None


def _local_name(descriptor: int) -> Any:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return (copy.getsockname(), copy.getpeername())


class SqliteConnection(sqlite3.Connection):
    """A connection whose statement can be interrupted from another thread (there is no socket to cut)."""

    def cut(self) -> bool:
        """Does nothing: what waits for the disk cannot be freed."""
        return False


DriverConnection: TypeAlias = PostgresConnection | SqliteConnection
