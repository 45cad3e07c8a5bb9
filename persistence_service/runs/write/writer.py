"""The group-commit writer: what all streams want written is committed together, by one thread.

A batch is whatever gathered while the one before was committed, so that nothing waits when nothing else
happens. Nothing is answered before COMMIT has returned. A batch that fails for an unexpected reason is
split, so that only the operation at fault fails.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any, Generic, Protocol, TypeVar

from prometheus_client import Counter, Histogram
from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError, DatabaseUnavailable, LockTimeout
from consensus_rpc.errors import InternalError, Overloaded, ShuttingDown
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import Database, DedicatedConnection

__all__ = ["Conflicted", "Deferred", "Outcome", "Writer", "WriterLimits"]

log = get_logger()

BATCH_SIZE = Histogram(
    "consensus_writer_batch_operations",
    "Operations that were committed together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
COMMIT_SECONDS = Histogram(
    "consensus_writer_commit_seconds",
    "Time from taking a batch to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
SPLITS = Counter("consensus_writer_splits", "Batches that were split because an operation failed.")

MAX_RERUNS = 3
# Rows that others hold are free again within milliseconds; after this long somebody is stuck on one.
DEFERRAL_SECONDS = 0.5
DEFERRAL_PAUSE_SECONDS = 0.005


class Conflicted(Exception):  # noqa: N818 - it says what happened
    """Rows of the batch stood in the way of one another, or of what another transaction had written.

    `refusal` is what the operation is answered when it was alone in its batch; None: it is to be run
    again, and will find what stood in its way.
    """

    def __init__(self, refusal: ConsensusError | None) -> None:
        super().__init__()
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Deferred:
    """The answer to an operation whose row another transaction holds: it is tried again with later ones."""

    resource: str


class Session(Protocol):
    """Operations of which a later one must not be applied when an earlier one was not."""

    error: ConsensusError | None


class Operation(Protocol):
    """What the writer knows of an operation."""

    @property
    def session(self) -> Session | None:
        """The stream that it came with."""
        ...


class Outcome(Protocol):
    """What a batch came to."""

    @property
    def answers(self) -> Sequence[Any]:
        """An answer for each operation, in their order."""
        ...


OperationType = TypeVar("OperationType", bound=Operation)
OutcomeType = TypeVar("OutcomeType", bound=Outcome)


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """How much may wait, and how much goes into one transaction."""

    max_waiting: int = 20_000
    max_batch: int = 64


@dataclass(slots=True)
class _Item(Generic[OperationType]):
    operation: OperationType
    answer: asyncio.Future[Any]
    deadline: float
    loop: asyncio.AbstractEventLoop = field(repr=False)
    deferred_until: float = 0.0


class Writer(Generic[OperationType, OutcomeType]):
    """Owns the thread and the connection on which everything is written."""

    def __init__(
        self,
        database: Database,
        run_batch: Callable[[Connection, Sequence[OperationType]], OutcomeType],
        *,
        on_commit: Callable[[OutcomeType], None] = lambda _outcome: None,
        limits: WriterLimits | None = None,
    ) -> None:
        """`run_batch` runs in the thread, in a transaction, and may be run again; `on_commit` is called in
        the thread with what a committed batch came to.
        """
        self._database = database
        self._run_batch = run_batch
        self._on_commit = on_commit
        self._limits = limits or WriterLimits()
        # None, the last, ends the thread. Its own lock is never held by a thread that waits for the
        # interpreter's, as a condition's would be: the loop would wait with it.
        self._waiting: SimpleQueue[_Item[OperationType] | None] = SimpleQueue()
        self._deferred: list[_Item[OperationType]] = []
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

    async def submit(self, operation: OperationType, timeout: float) -> Any:
        """What the operation is answered, once it is committed; `timeout` in seconds.

        Cancelling the caller does not take the operation back: what was handed in is written.

        Raises:
            DatabaseUnavailable: the database is away, or did not answer in time; it may have been written.
            Overloaded: too much is waiting.
            ConsensusError: the refusal.
        """
        return await self.enqueue(operation, timeout)

    def enqueue(self, operation: OperationType, timeout: float) -> asyncio.Future[Any]:
        """As `submit`, in the order of the calls: the future is there at once."""
        if self._is_closing:
            raise ShuttingDown
        if self._waiting.qsize() >= self._limits.max_waiting:
            raise Overloaded(subject="writer", limit=self._limits.max_waiting)
        loop = asyncio.get_running_loop()
        item = _Item(operation, loop.create_future(), monotonic() + timeout, loop)
        self._waiting.put(item)
        timer = loop.call_later(timeout, _expire, item)
        item.answer.add_done_callback(lambda _: timer.cancel())
        return item.answer

    def _serve(self) -> None:
        connection = self._database.dedicated()
        try:
            while batch := self._next_batch():
                self._commit(connection, batch)
                del batch  # the next one may be long in coming
        finally:
            connection.close()

    def _next_batch(self) -> list[_Item[OperationType]]:
        """What waits, deferred operations first, so that each run's stay in their order."""
        batch, self._deferred = self._deferred, []
        wait = DEFERRAL_PAUSE_SECONDS if batch else None
        with contextlib.suppress(Empty):
            for _ in range(self._limits.max_batch):
                item = self._waiting.get(timeout=wait)
                if item is None:
                    self._waiting.put(None)  # for the next time
                    sleep(wait or 0)
                    break
                batch.append(item)
                wait = 0
        return batch

    def _commit(self, connection: DedicatedConnection, batch: Sequence[_Item[OperationType]]) -> None:
        now = monotonic()
        live = [item for item in batch if item.deadline > now]  # the others are answered already
        if not live:
            return
        try:
            self._commit_together(connection, live)
        except DatabaseUnavailable as error:
            self._fail(live, error)
        except Exception as error:  # noqa: BLE001 - one operation's fault must not end the thread
            self._split(connection, live, error)

    def _commit_together(
        self, connection: DedicatedConnection, items: Sequence[_Item[OperationType]]
    ) -> None:
        operations = [item.operation for item in items]
        started = monotonic()
        outcome = connection.unit_of_work(
            lambda transaction: self._run_batch(transaction, operations),
            resource="runs",
            rerun_when_lost=True,
        )
        COMMIT_SECONDS.observe(monotonic() - started)
        BATCH_SIZE.observe(len(items))
        self._on_commit(outcome)
        answered = [
            (item, self._answer(item, answer)) for item, answer in zip(items, outcome.answers, strict=True)
        ]
        _deliver([(item, answer) for item, answer in answered if not isinstance(answer, Deferred)])

    def _answer(self, item: _Item[OperationType], answer: Any) -> Any:
        """The answer, once it is one: a deferred operation is kept for the next batch, for a while."""
        if isinstance(answer, Deferred):
            now = monotonic()
            item.deferred_until = item.deferred_until or now + DEFERRAL_SECONDS
            if now < item.deferred_until:
                self._deferred.append(item)
                return answer
            answer = LockTimeout(resource=answer.resource)
        session = item.operation.session
        if isinstance(answer, ConsensusError) and session is not None:
            session.error = session.error or answer
        return answer

    def _split(
        self, connection: DedicatedConnection, items: Sequence[_Item[OperationType]], error: Exception
    ) -> None:
        if len(items) > 1:
            SPLITS.inc()
            middle = len(items) // 2
            self._commit(connection, items[:middle])
            self._commit(connection, items[middle:])
        elif isinstance(error, Conflicted):
            self._settle(connection, items, error)
        else:
            self._fail(items, error)

    def _settle(
        self, connection: DedicatedConnection, items: Sequence[_Item[OperationType]], conflict: Conflicted
    ) -> None:
        """A single operation that met what another transaction had written finds it when it runs again."""
        for _ in range(MAX_RERUNS):
            if conflict.refusal is not None:
                break
            try:
                self._commit_together(connection, items)
                return
            except Conflicted as again:
                conflict = again
            except Exception as error:  # noqa: BLE001 - as in _commit
                self._fail(items, error)
                return
        self._fail(items, conflict.refusal or conflict)

    def _fail(self, items: Sequence[_Item[OperationType]], error: Exception) -> None:
        if not isinstance(error, ConsensusError):
            log.error("write_failed", exc_info=error)
        refusal = error if isinstance(error, ConsensusError) else InternalError()
        for item in items:
            if item.operation.session is not None:
                item.operation.session.error = item.operation.session.error or refusal
        _deliver([(item, refusal) for item in items])


def _deliver(pairs: Sequence[tuple[_Item[Any], Any]]) -> None:
    """Resolves the futures, on their loops."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for item, answer in pairs:
        by_loop.setdefault(item.loop, []).append((item.answer, answer))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answers:
        if future.done():
            continue
        if isinstance(answer, ConsensusError):
            future.set_exception(answer)
            future.exception()  # looked at: whoever waited may have gone
        else:
            future.set_result(answer)


def _expire(item: _Item[Any]) -> None:
    if not item.answer.done():
        item.answer.set_exception(DatabaseUnavailable())
        item.answer.exception()
