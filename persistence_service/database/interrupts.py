"""Asking PostgreSQL, from another thread, to give a statement up.

psycopg2's own `cancel` keeps the interpreter's lock while it waits for the server: one that takes the
connection and answers nothing stops every thread of the process, the event loop's too. So libpq is asked past
psycopg2, which lends its connection for that (`pgconn_ptr`): calls by ctypes let the lock go. The functions
came with libpq 17; unlike those before, they end after the connection's `connect_timeout`, and encrypt where
it does.
"""

import ctypes
import weakref
from typing import Final

import psycopg2._psycopg
from psycopg2.extensions import libpq_version

if libpq_version() < 170000:
    raise ImportError(f"psycopg2 is built with libpq {libpq_version()}; 170000 (17) or later is needed")
# The symbols of a library are looked for in those that it was linked with as well: the very libpq it uses.
_libpq: Final = ctypes.CDLL(psycopg2._psycopg.__file__)
for _name, _takes, _answers in (
    ("PQcancelCreate", ctypes.c_void_p, ctypes.c_void_p),
    ("PQcancelBlocking", ctypes.c_void_p, ctypes.c_int),
    ("PQcancelReset", ctypes.c_void_p, None),
    ("PQcancelFinish", ctypes.c_void_p, None),
):
    _function = getattr(_libpq, _name)
    _function.argtypes, _function.restype = [_takes], _answers


class Interrupt:
    """What it takes to have a connection's statement given up, made while nobody else uses the connection."""

    def __init__(self, connection: int) -> None:
        """`connection` is the address of libpq's."""
        self._request = _libpq.PQcancelCreate(connection)
        # Once no thread has it any more, and so none sends it; at the end of the process one may.
        weakref.finalize(self, _libpq.PQcancelFinish, self._request).atexit = False

    def send(self) -> None:
        """Asks, and waits until the server has taken it or cannot be reached; one thread at a time."""
        _libpq.PQcancelBlocking(self._request)
        _libpq.PQcancelReset(self._request)
