"""Calls that are made all the time and mostly find nothing: they fill no log."""

from contextvars import ContextVar

_found_nothing: ContextVar[bool] = ContextVar("found_nothing", default=False)


def say_found_nothing() -> None:
    """Says of the call of this task that it had nothing to do: its end is logged as DEBUG if it ends well.

    gRPC runs each call in a task of its own, so what is said here ends with the call.
    """
    _found_nothing.set(True)


def found_nothing() -> bool:
    """Whether the call of this task said so."""
    return _found_nothing.get()
