"""Watchers of one run: those with the same credential share one stream of it, and what is read of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client.cursors import RunCursor
from consensus_door.metrics import DoorMetrics
from consensus_door.page.retries import Retries, retries_after
from consensus_door.page.view import RunView, run_view
from consensus_door.rpc.packed import turned
from consensus_door.services.calling import Credential

Follow = Callable[[review_service_pb2.WatchRunRequest, Credential], AsyncGenerator[Any]]
Read = Callable[[str, Credential], Awaitable[run_pb2.Run]]


@dataclass(slots=True, eq=False)
class Watched:
    """A run as its watchers last saw it."""

    watchers: int = 0
    view: RunView | None = None
    following: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wakes all watchers: something has come, or nothing will come any more."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def views(self, after: int) -> AsyncGenerator[RunView | None]:
        """The run whenever there is more of it than at this event, and None for each sign of life between.

        A watcher that is slow to take one gets the next as the run is then. Ends where the run completes.

        Raises:
            ConsensusError: it ended otherwise, or cannot be followed on.
        """
        assert self.following is not None
        seen: RunView | None = None
        while True:
            news, view = self._news, self.view
            if view is not None and view is not seen:
                # One that has come no further tells of a call that is made again.
                is_again = seen is not None and view.last_sequence == after
                seen = view
                if is_again or view.last_sequence > after:
                    after = view.last_sequence
                    yield view
            elif self.following.done():
                self.following.result()
                return
            else:
                await news.wait()
                if self.view is view and not self.following.done():
                    yield None


class Watching:
    """The runs that are watched now."""

    def __init__(self, follow: Follow, read: Read, metrics: DoorMetrics) -> None:
        self._follow = follow
        self._read = read
        self._metrics = metrics
        self._watched: dict[tuple[str, str], Watched] = {}

    @contextmanager
    def of(self, run_id: str, credential: Credential) -> Iterator[Watched]:
        """A run, for one watcher of it; followed until the last of them leaves."""
        key = (run_id, credential.text)
        watched = self._watched.get(key) or self._begin(run_id, credential)
        self._change(watched, 1)
        try:
            yield watched
        finally:
            self._change(watched, -1)
            if not watched.watchers and watched.following is not None:
                self._forget(key, watched)
                watched.following.cancel()

    def _begin(self, run_id: str, credential: Credential) -> Watched:
        key = (run_id, credential.text)
        watched = self._watched[key] = Watched()
        watched.following = asyncio.create_task(self._keep(watched, run_id, credential))

        def end(task: asyncio.Task[None]) -> None:
            # Whoever comes after the end, which is a failure of its watchers alone, begins anew.
            self._forget(key, watched)
            if not task.cancelled():
                task.exception()
            watched.tell()

        watched.following.add_done_callback(end)
        return watched

    async def _keep(self, watched: Watched, run_id: str, credential: Credential) -> None:
        """Reads the run anew, for all, where an event has come that the last reading has not."""
        cursor = RunCursor(run_id)
        request = cursor.watch_request()
        assert request is not None
        run = run_pb2.Run()
        retries: Retries = {}
        async with aclosing(self._follow(request, credential)) as messages:
            async for message in messages:
                known, retries = retries, retries_after(retries, cursor.take(message))
                is_behind = run.last_sequence < cursor.after_sequence
                if is_behind:
                    run = await self._read(run_id, credential)
                if is_behind or retries != known:
                    watched.view = await turned(run.ByteSize(), run_view, run, retries)
                watched.tell()

    def _forget(self, key: tuple[str, str], watched: Watched) -> None:
        if self._watched.get(key) is watched:
            del self._watched[key]

    def _change(self, watched: Watched, change: int) -> None:
        self._metrics.watched(watched.watchers, watched.watchers + change)
        watched.watchers += change
