"""How one process gets at its runs: who writes them, who reads them, and who tells of news."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Self

from sqlalchemy import Connection

from persistence_service.database import Database
from persistence_service.journal.notifier import Notifier
from persistence_service.runs.form.keys import RunHead
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.read.reader import RunReader
from persistence_service.runs.read.repository import find_heads
from persistence_service.runs.write.batch import BatchTerms, run_batch
from persistence_service.runs.write.fold import Rules
from persistence_service.runs.write.queue_limit import QueueLimit, count_queued
from persistence_service.runs.write.writer import RunWriter, WriterLimits
from persistence_service.runs.write.writing import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccess:
    """One of each, for one database."""

    options: RunOptions
    writer: RunWriter
    reader: RunReader
    notifier: Notifier[RunHead]
    queue: QueueLimit

    @classmethod
    def of(cls, database: Database, options: RunOptions) -> Self:
        """Starts nothing yet."""
        notifier = Notifier[RunHead](database, find_heads, options.watch_poll_seconds)
        lease, writing = timedelta(seconds=options.lease_seconds), Writing(database)
        terms = BatchTerms(
            Rules(lease, options.max_take_overs),
            timedelta(seconds=options.idempotency_key_ttl_seconds),
            writing.outage,
            options.caps,
            options.tells_ends,
        )
        writer = RunWriter(
            database,
            partial(run_batch, terms=terms),
            on_commit=lambda result: notifier.wake_from_thread(result.heads),
            limits=WriterLimits(
                timeout_seconds=options.write_timeout_seconds, batch_seconds=options.batch_timeout_seconds
            ),
            writing=writing,
            lease=lease,
        )

        async def queued(tenant: str, limit: int) -> int:
            def count(connection: Connection) -> int:
                return count_queued(connection, tenant, limit)

            return await database.run(count, tenant=tenant, read_only=True, resource="runs")

        return cls(
            options=options,
            writer=writer,
            reader=RunReader(database, options),
            notifier=notifier,
            queue=QueueLimit(options.max_queued_runs_per_tenant, queued),
        )

    def start(self) -> None:
        """Starts the writer's thread, and the notifier on the running loop."""
        self.notifier.start()
        self.writer.start()

    async def close(self) -> None:
        """Commits what is waiting, and ends both."""
        await self.writer.close()
        await self.notifier.close()
