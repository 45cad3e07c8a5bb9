"""The group-commit writer: what all streams want written is committed together, by one thread.

A batch is whatever gathered while the one before was committed, so that nothing waits when nothing else
happens. Nothing is answered before COMMIT has returned. Where writing does not work, it is tried until it
does, and whatever is handed in meanwhile is refused at once.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from random import random
from time import monotonic, sleep
from typing import Any, Final

from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError, DatabaseUnavailable
from consensus_rpc.backoff import Backoff
from consensus_rpc.errors import Overloaded, ShuttingDown
from persistence_service.database import Database, DedicatedConnection
from persistence_service.runs.write.committer import Committer, HandedIn, RunBatch, fail
from persistence_service.runs.write.counting import WAITING
from persistence_service.runs.write.operations import Operation
from persistence_service.runs.write.outcomes import BatchResult
from persistence_service.runs.write.writing import Writing

DEFERRAL_PAUSE_SECONDS = 0.005
"""How long the writer waits for more when all that it has is deferred."""
RIGHTS_SECONDS = 2.0
"""How often it looks whether a right that the role lacks was granted."""
TRIALS = Backoff(first_seconds=0.2, ceiling_seconds=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLimits:
    """How much may wait and for how long, and how much goes into one transaction.

    `batch_seconds`: for a transaction, whatever the database does; then its connection is cut.
    """

    max_waiting: int = 20_000
    max_batch: int = 64
    timeout_seconds: float = 10.0
    batch_seconds: float = 2.0


class _Suspicion:
    """Stands in the queue where somebody thinks that writing does not work."""


_SUSPICION: Final = _Suspicion()


class RunWriter:
    """Owns the thread and the connection on which everything about runs is written."""

    def __init__(
        self,
        database: Database,
        run_batch: RunBatch,
        *,
        on_commit: Callable[[BatchResult], None] = lambda _result: None,
        limits: WriterLimits | None = None,
        writing: Writing | None = None,
        lease: timedelta = timedelta(0),
    ) -> None:
        """`run_batch` runs in the thread, in a transaction, and may be run again; `on_commit` is called in
        the thread with what a committed batch came to.
        """
        self._database = database
        self._writing = writing or Writing(database)
        self._lease = lease
        self._limits = limits or WriterLimits()
        self._committer = Committer(
            run_batch,
            on_commit,
            self._writing.worked,
            self._suspect,
            self._give_up,
            batch_seconds=self._limits.batch_seconds,
        )
        self._under_way: list[HandedIn] = []
        # None, the last, ends the thread. Its own lock is never held by a thread that waits for the
        # interpreter's, as a condition's would be: the loop would wait with it.
        self._waiting: SimpleQueue[HandedIn | _Suspicion | None] = SimpleQueue()
        self._is_suspected = False
        self._closing = threading.Event()
        self._is_done = False
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._database.condition.on_suspicion(self._suspect)
        self._database.condition.on_change(lambda _available: self._suspect())
        WAITING.set_function(self._waiting.qsize)
        self._thread.start()

    async def close(self) -> None:
        """Commits what is waiting, and ends the thread."""
        self._closing.set()
        self._waiting.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    async def write(self, operation: Operation) -> Any:
        """What the operation is answered, once it is committed.

        Cancelling the caller does not take the operation back: what was handed in is written.

        Raises:
            DatabaseUnavailable: the database is away or cannot be written to, or did not answer in time; it
                may have been written.
            Overloaded: too much is waiting.
            ConsensusError: the refusal.
        """
        return await self.hand_in(operation)

    def hand_in(self, operation: Operation) -> asyncio.Future[Any]:
        """As `write`, in the order of the calls: the future is there at once."""
        if self._closing.is_set():
            raise ShuttingDown
        self._writing.check(operation)
        if self._waiting.qsize() >= self._limits.max_waiting:
            raise Overloaded(subject="writes that wait", limit=self._limits.max_waiting)
        loop, timeout = asyncio.get_running_loop(), self._limits.timeout_seconds
        handed_in = HandedIn(operation, loop.create_future(), monotonic() + timeout, loop)
        self._waiting.put(handed_in)
        timer = loop.call_later(timeout, _expire, handed_in)
        handed_in.answer.add_done_callback(lambda _: timer.cancel())
        return handed_in.answer

    def _suspect(self) -> None:
        """Has it tried whether writing works; may be called from any thread."""
        if not self._is_suspected:
            self._is_suspected = True
            self._waiting.put(_SUSPICION)

    def _serve(self) -> None:
        connection = self._database.dedicated()
        try:
            while not self._is_done:
                self._under_way = self._next_batch()
                works = self._committer.commit(connection, self._under_way)
                self._under_way = []  # the next one may be long in coming
                if not works or self._is_suspected or self._writing.is_away:
                    self._try(connection)
        finally:
            connection.close()

    def _next_batch(self) -> list[HandedIn]:
        """What waits, deferred operations first, so that each run's stay in their order."""
        batch = self._committer.take_deferred()
        wait = DEFERRAL_PAUSE_SECONDS if batch else RIGHTS_SECONDS if self._writing.is_lacking else None
        with contextlib.suppress(Empty):
            for _ in range(self._limits.max_batch):
                handed_in = self._waiting.get(timeout=wait)
                if handed_in is None:
                    self._is_done = not batch
                    self._waiting.put(None)  # for the next time
                    sleep(wait or 0)
                    break
                if not isinstance(handed_in, _Suspicion):
                    batch.append(handed_in)
                wait = 0
        self._is_suspected = self._is_suspected or (self._writing.is_lacking and not batch)
        return batch

    def _try(self, connection: DedicatedConnection) -> None:
        """Returns once something was written, or nobody is to write any more."""
        failures = 0
        while not self._closing.is_set() or not failures:
            self._is_suspected = False
            try:
                connection.try_to_write(within_seconds=self._limits.batch_seconds)
                now, lacking = connection.unit_of_work(self._look, read_only=True)
            except ConsensusError as error:
                failures += 1
                self._give_up(str(error.__cause__ or error), self._committer.take_deferred())
                self._closing.wait(TRIALS.seconds(failures, random()))  # noqa: S311 - spreads load, no secret
            else:
                self._writing.returned(now, lacking, self._lease)
                return

    def _look(self, connection: Connection) -> tuple[datetime, str]:
        return self._database.now(connection), self._database.lacking_rights(connection)

    def _give_up(self, cause: str, deferred: Sequence[HandedIn] = ()) -> None:
        """Answers all who wait; also from the thread that sees this one stuck."""
        self._writing.failed(cause)
        left = [*self._under_way, *deferred]
        others = list[_Suspicion | None]()
        with contextlib.suppress(Empty):
            while None not in others:
                handed_in = self._waiting.get_nowait()
                if isinstance(handed_in, HandedIn):
                    left.append(handed_in)
                else:
                    others.append(handed_in)
        for other in others:  # a thread that is stuck no more would wait for ever without its suspicion
            self._waiting.put(other)
        fail(left, DatabaseUnavailable())


def _expire(handed_in: HandedIn) -> None:
    if not handed_in.answer.done():
        handed_in.answer.set_exception(DatabaseUnavailable())
        handed_in.answer.exception()
