"""Watchers of one run: those with the same credential share what is read of it, once for each event."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from consensus.v1 import run_pb2
from consensus_door.metrics import DoorMetrics
from consensus_door.page.view import RunView, run_view
from consensus_door.services.calling import Credential

Read = Callable[[str, Credential], Awaitable[run_pb2.Run]]


@dataclass(slots=True)
class Watched:
    """A run as its watchers last saw it."""

    run_id: str
    credential: Credential
    read: Read
    watchers: int = 0
    _view: RunView | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def at(self, sequence: int) -> RunView:
        """The run with this event at least, read anew only where nobody has it yet.

        Raises:
            ConsensusError: it cannot be read.
        """
        async with self._reading:
            if self._view is None or self._view.last_sequence < sequence:
                self._view = run_view(await self.read(self.run_id, self.credential))
            return self._view


class Watching:
    """The runs that are watched now."""

    def __init__(self, read: Read, metrics: DoorMetrics) -> None:
        self._read = read
        self._metrics = metrics
        self._watched: dict[tuple[str, str], Watched] = {}

    @contextmanager
    def of(self, run_id: str, credential: Credential) -> Iterator[Watched]:
        """A run, for one watcher of it; forgotten with the last of them."""
        key = (run_id, credential.text)
        watched = self._watched.setdefault(key, Watched(run_id, credential, self._read))
        self._change(watched, 1)
        try:
            yield watched
        finally:
            self._change(watched, -1)
            if not watched.watchers:
                del self._watched[key]

    def _change(self, watched: Watched, change: int) -> None:
        self._metrics.watched(watched.watchers, watched.watchers + change)
        watched.watchers += change
