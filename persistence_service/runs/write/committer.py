"""What the writer's thread does with a batch: commits it, and answers each who handed something in.

A batch that fails for an unexpected reason is split, so that only the operation at fault fails.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Protocol

from sqlalchemy import Connection

from consensus_contract.errors import (
    ConsensusError,
    DatabaseError,
    DatabaseUnavailable,
    InternalError,
    LockTimeout,
)
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import DedicatedConnection, Watch
from persistence_service.database.contention import count_lock_timeout, waited_for
from persistence_service.database.faults import code_of
from persistence_service.runs.form.entries import OverBudget
from persistence_service.runs.write.counting import SPLITS, count_commit
from persistence_service.runs.write.operations import Append, EndRefused, Operation, RunOperation
from persistence_service.runs.write.outcomes import (
    Answer,
    AttemptsThere,
    BatchResult,
    Conflicted,
    Deferred,
)

log = get_logger()

MAX_RERUNS = 3
# Rows that others hold are free again within milliseconds; after this long somebody is stuck on one.
DEFERRAL_SECONDS = 0.5


class RunBatch(Protocol):
    """Runs operations in a transaction and answers each; it may be run again."""

    def __call__(
        self,
        connection: Connection,
        /,
        operations: Sequence[Operation],
        *,
        attempts_may_be_there: bool = False,
    ) -> BatchResult: ...


@dataclass(slots=True)
class HandedIn:
    """An operation, and the future on `loop` that waits for its answer until `deadline`."""

    operation: Operation
    answer: asyncio.Future[Any]
    deadline: float
    loop: asyncio.AbstractEventLoop = field(repr=False)
    deferred_since: float = 0.0


class Committer:
    """Runs batches on the writer's connection; lives in its thread."""

    def __init__(
        self,
        run_batch: RunBatch,
        on_commit: Callable[[BatchResult], None],
        worked: Callable[[], None],
        suspect: Callable[[], None],
        stuck: Callable[[str], None],
        *,
        batch_seconds: float,
    ) -> None:
        """`worked` is called after every commit, `suspect` where something was refused that should not be,
        and `stuck`, from another thread, when this one is not freed. `batch_seconds`: for a batch in one
        transaction, whatever the database does; then its connection is cut.
        """
        self._run_batch = run_batch
        self._on_commit = on_commit
        self._worked = worked
        self._suspect = suspect
        self._stuck = stuck
        self._batch_seconds = batch_seconds
        self._deferred: list[HandedIn] = []

    def take_deferred(self) -> list[HandedIn]:
        """What is to be tried again."""
        deferred, self._deferred = self._deferred, []
        return deferred

    def commit(self, connection: DedicatedConnection, batch: Sequence[HandedIn]) -> bool:
        """Commits what still waits for an answer, and answers it; False: writing does not work."""
        now = monotonic()
        live = [each for each in batch if each.deadline > now]  # the others are answered already
        if not live:
            return True
        try:
            self._commit_together(connection, live)
        except DatabaseUnavailable as error:
            fail(live, error)
            return False
        except Exception as error:  # noqa: BLE001 - one operation's fault must not end the thread
            return self._split(connection, live, error)
        return True

    def _commit_together(self, connection: DedicatedConnection, batch: Sequence[HandedIn]) -> None:
        operations = [each.operation for each in batch]
        started = monotonic()
        try:
            result = self._in_one_transaction(connection, operations)
        except AttemptsThere:  # which harms no neighbour
            result = self._in_one_transaction(connection, operations, attempts_may_be_there=True)
        self._worked()
        count_commit(operations, result, monotonic() - started)
        self._on_commit(result)
        for each, answer in zip(batch, result.answers, strict=True):
            if isinstance(answer, OverBudget) and isinstance(each.operation, Append):
                self._end_run(connection, each.operation, answer)
        answered = [
            (each, self._final(each, answer)) for each, answer in zip(batch, result.answers, strict=True)
        ]
        _deliver([(each, answer) for each, answer in answered if not isinstance(answer, Deferred)])

    def _in_one_transaction(
        self,
        connection: DedicatedConnection,
        operations: Sequence[Operation],
        *,
        attempts_may_be_there: bool = False,
    ) -> BatchResult:
        return connection.unit_of_work(
            partial(self._run_batch, operations=operations, attempts_may_be_there=attempts_may_be_there),
            resource="runs",
            rerun_when_lost=True,
            within_seconds=self._batch_seconds,
            watch=Watch(lambda: self._stuck("the writer's thread is stuck")),
        )

    def _final(self, handed_in: HandedIn, answer: Answer) -> Answer:
        """The answer, once it is one: a deferred operation is kept for the next batch, for a while."""
        if isinstance(answer, Deferred):
            now = monotonic()
            handed_in.deferred_since = handed_in.deferred_since or now
            if now < handed_in.deferred_since + DEFERRAL_SECONDS:
                self._deferred.append(handed_in)
                return answer
            count_lock_timeout(answer.resource)
            answer = LockTimeout(resource=answer.resource)
        if handed_in.deferred_since:
            waited_for("runs", monotonic() - handed_in.deferred_since)
        stream = handed_in.operation.stream
        if isinstance(answer, ConsensusError) and stream is not None:
            stream.error = stream.error or answer
        return answer

    def _split(self, connection: DedicatedConnection, batch: Sequence[HandedIn], error: Exception) -> bool:
        if len(batch) > 1:
            SPLITS.inc()
            middle = len(batch) // 2
            halves = [self.commit(connection, half) for half in (batch[:middle], batch[middle:])]
            return all(halves)
        if isinstance(error, Conflicted):
            return self._settle(connection, batch, error)
        return self._refuse(connection, batch, error)

    def _settle(
        self, connection: DedicatedConnection, alone: Sequence[HandedIn], conflict: Conflicted
    ) -> bool:
        """A single operation that met what another transaction had written finds it when it runs again."""
        for _ in range(MAX_RERUNS):
            if conflict.refusal is not None:
                break
            try:
                self._commit_together(connection, alone)
                return True
            except Conflicted as again:
                conflict = again
            except Exception as error:  # noqa: BLE001 - as in commit
                return self._refuse(connection, alone, error)
        fail(alone, conflict.refusal or conflict)
        return True

    def _refuse(self, connection: DedicatedConnection, alone: Sequence[HandedIn], error: Exception) -> bool:
        """Answers a single operation with why it is not done; False: writing does not work.

        A record that is refused for good would be refused again, after the model was asked again: its run
        ends.
        """
        (refused,) = alone
        if isinstance(error, DatabaseError) or not isinstance(error, ConsensusError):
            _log_refusal(refused.operation, error)
            if isinstance(refused.operation, Append):
                self._end_run(connection, refused.operation, error)
            self._suspect()
        fail(alone, error)
        return not isinstance(error, DatabaseUnavailable)

    def _end_run(self, connection: DedicatedConnection, refused: Append, error: Exception) -> None:
        reason = error if isinstance(error, ConsensusError) else InternalError()
        for abandons in (True, False):  # without touching the attempts, if that is what is refused
            end, started = EndRefused.of(refused, reason, abandons=abandons), monotonic()
            try:
                result = connection.unit_of_work(
                    partial(self._run_batch, operations=[end]),
                    resource="runs",
                    within_seconds=self._batch_seconds,
                )
            except (ConsensusError, Conflicted) as again:
                log.warning("run_not_ended", run_id=refused.run_id, cause=str(again.__cause__ or again))
            else:
                count_commit([end], result, monotonic() - started)
                self._on_commit(result)
                return


def _log_refusal(operation: Operation, error: Exception) -> None:
    """The cause, under the id of the request that it answers, which no other thread's context knows."""
    about = {"operation": type(operation).__name__}
    if isinstance(operation, RunOperation):
        about |= {"run_id": operation.run_id, "request_id": operation.scope.request_id}
    if isinstance(error, DatabaseError):
        log.error("database_refused", cause=str(error.__cause__), **about)
    else:
        # Its text may quote rows.
        log.error("write_failed", code=code_of(error), trace=fault_trace(error), **about)


def fail(batch: Sequence[HandedIn], error: Exception) -> None:
    """Answers with the error, or with INTERNAL for one that is none of the contract's; ends their streams."""
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
