"""Runs as servicers use them: written through the writer, read in threads of their own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from consensus.v1.attempt_pb2 import Attempt
from consensus.v1.persistence_service_pb2 import CallScope, IdempotencyClaim
from consensus.v1.run_pb2 import Run
from persistence_service.database import Database
from persistence_service.housekeeping.expired_keys import purge_for_ever
from persistence_service.idempotency.claims import Claim, KeyScope
from persistence_service.journal.append import Clock
from persistence_service.journal.notifier import Notifier
from persistence_service.runs.form.attempts import attempt_message
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.form.steps import step_names
from persistence_service.runs.read import repository
from persistence_service.runs.read.attempts import find_attempts
from persistence_service.runs.read.repository import RunHead, find_heads
from persistence_service.runs.write.batch import BatchResult, BatchTerms, run_batch
from persistence_service.runs.write.fold import Rules
from persistence_service.runs.write.operations import AnyOperation, RunKey, Scope
from persistence_service.runs.write.queue_limit import QueueLimit, count_queued
from persistence_service.runs.write.store import find_keys
from persistence_service.runs.write.writer import Writer

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How runs are kept; spans in seconds."""

    lease_seconds: float = 15.0
    max_take_overs: int = 5
    run_timeout_seconds: float = 600.0
    idempotency_key_ttl_seconds: float = 604_800.0
    watch_poll_seconds: float = 0.5
    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 30.0
    write_timeout_seconds: float = 10.0
    max_queued_runs_per_tenant: int = 10_000
    purge_interval_seconds: float = 600.0
    retention_days: int = 30
    """How long a deleted run can be restored; 0: for ever."""
    max_records_in_flight: int = 64
    """Records of one stream that wait for their commit; more stay with gRPC's flow control."""

    @property
    def run_timeout(self) -> timedelta:
        """What holds where a specification names none."""
        return timedelta(seconds=self.run_timeout_seconds)

    @property
    def retention(self) -> timedelta | None:
        """From deletion to purging; None: never purged."""
        return timedelta(days=self.retention_days) if self.retention_days else None


class RunRecords:
    """Owns the writer and the notifier of one process."""

    def __init__(self, database: Database, options: RunOptions | None = None) -> None:
        """Starts nothing yet."""
        self.options = options or RunOptions()
        self._database = database
        self.notifier = Notifier[RunHead](database, _find_heads, self.options.watch_poll_seconds)
        terms = BatchTerms(
            Rules(timedelta(seconds=self.options.lease_seconds), self.options.max_take_overs),
            timedelta(seconds=self.options.idempotency_key_ttl_seconds),
            database.now,
        )
        self.writer = Writer[AnyOperation, BatchResult](
            database,
            lambda connection, operations: run_batch(connection, operations, terms),
            on_commit=lambda result: self.notifier.wake_from_thread(result.heads),
        )
        self.queue = QueueLimit(self.options.max_queued_runs_per_tenant, self._count_queued)
        self._purging: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the writer's thread, the notifier and the purge of expired keys, on the running loop."""
        self.notifier.start()
        self.writer.start()
        purging = purge_for_ever(self._database, self.options.purge_interval_seconds)
        self._purging = asyncio.create_task(purging, name="purge")

    async def close(self) -> None:
        """Commits what is waiting, and ends all three."""
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)
        await self.writer.close()
        await self.notifier.close()

    async def write(self, operation: AnyOperation) -> Any:
        """The operation's answer, once it is committed.

        Raises:
            ConsensusError: the refusal, or why it could not be written.
        """
        return await self.writer.submit(operation, self.options.write_timeout_seconds)

    async def read(self, fn: Callable[[Connection], Result], resource: str) -> Result:
        """What `fn` reads, from one snapshot."""
        return await self._database.run(fn, read_only=True, resource=resource)

    async def change(
        self, fn: Callable[[Connection, Clock], Result], resource: str, *, rerun_when_lost: bool
    ) -> Result:
        """What `fn` answers once its own transaction is committed; for what is no writer's operation."""
        return await self._database.run(
            lambda connection: fn(connection, self._database.now),
            isolation="READ COMMITTED",
            resource=resource,
            rerun_when_lost=rerun_when_lost,
        )

    async def _count_queued(self, tenant: str, limit: int) -> int:
        return await self.read(lambda connection: count_queued(connection, tenant, limit), "runs")

    async def has_key(self, claim: Claim | None) -> bool:
        """Whether the caller's key is taken, by whatever request."""
        if claim is None:
            return False
        scopes = [claim.scope]
        return bool(await self.read(lambda connection: find_keys(connection, scopes), "idempotency_keys"))

    async def whole_run(self, key: RunKey, *, show_deleted: bool = False) -> Run:
        """The run with all that is recorded of it.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        rows = await self.read(
            lambda connection: repository.find_run(connection, *key, show_deleted=show_deleted),
            f"runs/{key[1]}",
        )
        return whole_run(rows, self.options.retention)

    async def run_and_attempts(self, key: RunKey) -> tuple[Run, list[Attempt]]:
        """The run, and every call to the model that was made for it.

        Raises:
            RunNotFound: the tenant has no such run.
        """

        def find(connection: Connection) -> tuple[Run, list[Attempt]]:
            run = whole_run(repository.find_run(connection, *key))
            panel = [persona.persona_id for persona in run.specification.personas]
            rows = find_attempts(connection, *key, step_names(panel))
            return run, [attempt_message(row) for row in rows]

        return await self.read(find, f"runs/{key[1]}")


def _find_heads(connection: Connection, keys: Sequence[RunKey]) -> list[RunHead]:
    """Of deleted runs too: who follows one is to find out."""
    return find_heads(connection, keys, show_deleted=True)


def scope_of(scope: CallScope) -> Scope:
    """For whom a call is made."""
    return Scope(scope.tenant, scope.caller, scope.request_id)


def claim_of(scope: CallScope, operation: str, claim: IdempotencyClaim, run_id: str, resource: str) -> Claim:
    """A claim on the caller's key; `resource` is what is addressed, empty for starts."""
    key = KeyScope(scope.tenant, scope.caller, operation, resource, claim.key)
    return Claim(key, claim.fingerprint, run_id)
