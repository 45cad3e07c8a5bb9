"""The group-commit writer: what all streams want written is committed together, by one thread.

A batch is whatever gathered while the one before was committed, so that nothing waits when nothing else
happens. Nothing is answered before COMMIT has returned.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.errors import Overloaded, ShuttingDown
from persistence_service.database import Database
from persistence_service.runs.write.committer import Committer, HandedIn, RunBatch
from persistence_service.runs.write.operations import Operation
from persistence_service.runs.write.outcomes import BatchResult

DEFERRAL_PAUSE_SECONDS = 0.005
"""How long the writer waits for more when all that it has is deferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLimits:
    """How much may wait and for how long, and how much goes into one transaction."""

    max_waiting: int = 20_000
    max_batch: int = 64
    timeout_seconds: float = 10.0


class RunWriter:
    """Owns the thread and the connection on which everything about runs is written."""

    def __init__(
        self,
        database: Database,
        run_batch: RunBatch,
        *,
        on_commit: Callable[[BatchResult], None] = lambda _result: None,
        limits: WriterLimits | None = None,
    ) -> None:
        """`run_batch` runs in the thread, in a transaction, and may be run again; `on_commit` is called in
        the thread with what a committed batch came to.
        """
        self._database = database
        self._committer = Committer(run_batch, on_commit)
        self._limits = limits or WriterLimits()
        # None, the last, ends the thread. Its own lock is never held by a thread that waits for the
        # interpreter's, as a condition's would be: the loop would wait with it.
        self._waiting: SimpleQueue[HandedIn | None] = SimpleQueue()
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    async def close(self) -> None:
        """Commits what is waiting, and ends the thread."""
        self._is_closing = True
        self._waiting.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    async def write(self, operation: Operation) -> Any:
        """What the operation is answered, once it is committed.

        Cancelling the caller does not take the operation back: what was handed in is written.

        Raises:
            DatabaseUnavailable: the database is away, or did not answer in time; it may have been written.
            Overloaded: too much is waiting.
            ConsensusError: the refusal.
        """
        return await self.hand_in(operation)

    def hand_in(self, operation: Operation) -> asyncio.Future[Any]:
        """As `write`, in the order of the calls: the future is there at once."""
        if self._is_closing:
            raise ShuttingDown
        if self._waiting.qsize() >= self._limits.max_waiting:
            raise Overloaded(subject="writes that wait", limit=self._limits.max_waiting)
        loop, timeout = asyncio.get_running_loop(), self._limits.timeout_seconds
        handed_in = HandedIn(operation, loop.create_future(), monotonic() + timeout, loop)
        self._waiting.put(handed_in)
        timer = loop.call_later(timeout, _expire, handed_in)
        handed_in.answer.add_done_callback(lambda _: timer.cancel())
        return handed_in.answer

    def _serve(self) -> None:
        connection = self._database.dedicated()
        try:
            while batch := self._next_batch():
                self._committer.commit(connection, batch)
                del batch  # the next one may be long in coming
        finally:
            connection.close()

    def _next_batch(self) -> list[HandedIn]:
        """What waits, deferred operations first, so that each run's stay in their order."""
        batch = self._committer.take_deferred()
        wait = DEFERRAL_PAUSE_SECONDS if batch else None
        with contextlib.suppress(Empty):
            for _ in range(self._limits.max_batch):
                handed_in = self._waiting.get(timeout=wait)
                if handed_in is None:
                    self._waiting.put(None)  # for the next time
                    sleep(wait or 0)
                    break
                batch.append(handed_in)
                wait = 0
        return batch


def _expire(handed_in: HandedIn) -> None:
    if not handed_in.answer.done():
        handed_in.answer.set_exception(DatabaseUnavailable())
        handed_in.answer.exception()
