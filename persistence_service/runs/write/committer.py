"""What the writer's thread does with a batch: commits it, and answers each who handed something in.

A batch that fails for an unexpected reason is split, so that only the operation at fault fails.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeAlias

from prometheus_client import Counter, Histogram
from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError, DatabaseUnavailable, InternalError, LockTimeout
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import DedicatedConnection
from persistence_service.database.faults import code_of
from persistence_service.runs.write.operations import Operation
from persistence_service.runs.write.outcomes import Answer, BatchResult, Conflicted, Deferred

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

RunBatch: TypeAlias = Callable[[Connection, Sequence[Operation]], BatchResult]


@dataclass(slots=True)
class HandedIn:
    """An operation, and the future on `loop` that waits for its answer until `deadline`."""

    operation: Operation
    answer: asyncio.Future[Any]
    deadline: float
    loop: asyncio.AbstractEventLoop = field(repr=False)
    deferred_until: float = 0.0


class Committer:
    """Runs batches on the writer's connection; lives in its thread."""

    def __init__(self, run_batch: RunBatch, on_commit: Callable[[BatchResult], None]) -> None:
        self._run_batch = run_batch
        self._on_commit = on_commit
        self._deferred: list[HandedIn] = []

    def take_deferred(self) -> list[HandedIn]:
        """What is to be tried again."""
        deferred, self._deferred = self._deferred, []
        return deferred

    def commit(self, connection: DedicatedConnection, batch: Sequence[HandedIn]) -> None:
        """Commits what still waits for an answer, and answers it."""
        now = monotonic()
        live = [each for each in batch if each.deadline > now]  # the others are answered already
        if not live:
            return
        try:
            self._commit_together(connection, live)
        except DatabaseUnavailable as error:
            _fail(live, error)
        except Exception as error:  # noqa: BLE001 - one operation's fault must not end the thread
            self._split(connection, live, error)

    def _commit_together(self, connection: DedicatedConnection, batch: Sequence[HandedIn]) -> None:
        operations = [each.operation for each in batch]
        started = monotonic()
        result = connection.unit_of_work(
            lambda transaction: self._run_batch(transaction, operations),
            resource="runs",
            rerun_when_lost=True,
        )
        COMMIT_SECONDS.observe(monotonic() - started)
        BATCH_SIZE.observe(len(batch))
        self._on_commit(result)
        answered = [
            (each, self._final(each, answer)) for each, answer in zip(batch, result.answers, strict=True)
        ]
        _deliver([(each, answer) for each, answer in answered if not isinstance(answer, Deferred)])

    def _final(self, handed_in: HandedIn, answer: Answer) -> Answer:
        """The answer, once it is one: a deferred operation is kept for the next batch, for a while."""
        if isinstance(answer, Deferred):
            now = monotonic()
            handed_in.deferred_until = handed_in.deferred_until or now + DEFERRAL_SECONDS
            if now < handed_in.deferred_until:
                self._deferred.append(handed_in)
                return answer
            answer = LockTimeout(resource=answer.resource)
        stream = handed_in.operation.stream
        if isinstance(answer, ConsensusError) and stream is not None:
            stream.error = stream.error or answer
        return answer

    def _split(self, connection: DedicatedConnection, batch: Sequence[HandedIn], error: Exception) -> None:
        if len(batch) > 1:
            SPLITS.inc()
            middle = len(batch) // 2
            self.commit(connection, batch[:middle])
            self.commit(connection, batch[middle:])
        elif isinstance(error, Conflicted):
            self._settle(connection, batch, error)
        else:
            _fail(batch, error)

    def _settle(
        self, connection: DedicatedConnection, alone: Sequence[HandedIn], conflict: Conflicted
    ) -> None:
        """A single operation that met what another transaction had written finds it when it runs again."""
        for _ in range(MAX_RERUNS):
            if conflict.refusal is not None:
                break
            try:
                self._commit_together(connection, alone)
                return
            except Conflicted as again:
                conflict = again
            except Exception as error:  # noqa: BLE001 - as in commit
                _fail(alone, error)
                return
        _fail(alone, conflict.refusal or conflict)


def _fail(batch: Sequence[HandedIn], error: Exception) -> None:
    if not isinstance(error, ConsensusError):
        log.error("write_failed", code=code_of(error), trace=fault_trace(error))  # its text may quote rows
    refusal = error if isinstance(error, ConsensusError) else InternalError()
    for each in batch:
        if each.operation.stream is not None:
            each.operation.stream.error = each.operation.stream.error or refusal
    _deliver([(each, refusal) for each in batch])


def _deliver(answered: Sequence[tuple[HandedIn, Answer]]) -> None:
    """Resolves the futures, on their loops."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Answer]]] = {}
    for each, answer in answered:
        by_loop.setdefault(each.loop, []).append((each.answer, answer))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: Sequence[tuple[asyncio.Future[Any], Answer]]) -> None:
    for future, answer in answers:
        if future.done():
            continue
        if isinstance(answer, ConsensusError):
            future.set_exception(answer)
            future.exception()  # looked at: whoever waited may have gone
        else:
            future.set_result(answer)
