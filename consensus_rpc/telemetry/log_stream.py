"""Where log lines go, whatever becomes of it: work never waits for a log, and never fails by one."""

import os
import select
import stat
from typing import TextIO

from prometheus_client import Counter

LINES_LOST = Counter("consensus_log_lines_lost_total", "Log lines that could not be written.")

_PATIENCE_MS = 50


class LogStream:
    """A text stream that loses what it cannot write; the stream below stays its owner's.

    A pipe's reader that reads no more is waited for once, briefly; until it reads again lines are lost.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._poll = _pipe_poll(stream)
        self._patience_ms = _PATIENCE_MS

    def write(self, text: str) -> int:
        """Writes, or loses it and counts it."""
        try:
            if self._has_room():
                return self._stream.write(text)
        except (OSError, ValueError):  # no reader, no room, or closed
            pass
        LINES_LOST.inc()
        return 0

    def flush(self) -> None:
        """Hands on what was written; what cannot be is lost and counted."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            LINES_LOST.inc()

    def isatty(self) -> bool:
        """Whether a person reads along."""
        return self._stream.isatty()

    def _has_room(self) -> bool:
        if self._poll is None:
            return True
        has_room = bool(self._poll.poll(self._patience_ms))
        self._patience_ms = _PATIENCE_MS if has_room else 0
        return has_room


def _pipe_poll(stream: TextIO) -> "select.poll | None":
    """What tells whether a pipe or socket takes a line; nothing for files and terminals, which always do."""
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
    except (OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return poll
