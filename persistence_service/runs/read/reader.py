"""Runs as they are read: each read is one snapshot, in a thread of the pool."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from consensus.v1 import attempt_pb2, run_pb2
from consensus_contract.steps import step_names
from persistence_service.database import Database
from persistence_service.idempotency.keys import KeyUse
from persistence_service.idempotency.repository import find_holders
from persistence_service.runs.form.attempts import attempt_message
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.form.portions import answerable
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.read import repository
from persistence_service.runs.read.attempts import find_attempts

Result = TypeVar("Result")


class RunReader:
    """Reads the runs of one database, and shows when a deleted one will be purged."""

    def __init__(self, database: Database, options: RunOptions) -> None:
        self._database = database
        self.options = options

    @property
    def has_replica(self) -> bool:
        """Whether what may be stale is read elsewhere than what may not."""
        return self._database.has_replica

    async def read(
        self,
        tenant: str,
        fn: Callable[[Connection], Result],
        resource: str,
        *,
        answers_commit: bool = False,
        may_be_stale: bool = False,
        suffices: Callable[[Result], bool] = lambda _: True,
    ) -> Result:
        """What `fn` reads of a tenant, from one snapshot; the rest is as `Database.run` has it."""
        return await self._database.run(
            fn,
            tenant=tenant,
            read_only=True,
            resource=resource,
            answers_commit=answers_commit,
            may_be_stale=may_be_stale,
            suffices=suffices,
        )

    async def has_key(self, use: KeyUse | None) -> bool:
        """Whether the caller's key is taken, by whatever request."""
        if use is None:
            return False
        return bool(
            await self.read(
                use.scope.tenant,
                lambda connection: find_holders(connection, [use.scope]),
                "idempotency_keys",
            )
        )

    async def whole_run(
        self, key: RunKey, *, show_deleted: bool = False, answers_commit: bool = False
    ) -> run_pb2.Run:
        """The run with all that is recorded of it, as far as an answer has room for it.

        Raises:
            RunNotFound: the tenant has no such run.
        """

        def find(connection: Connection) -> run_pb2.Run:
            # Made here, in the pool's thread: what is derived of a run takes longer than others may wait.
            rows = repository.find_run(connection, *key, show_deleted=show_deleted)
            return answerable(whole_run(rows, self.options.retention))

        return await self.read(key[0], find, f"runs/{key[1]}", answers_commit=answers_commit)

    async def uncut_run(self, key: RunKey) -> run_pb2.Run:
        """The run with all that is recorded of it, however large: for this process, not for an answer.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        return await self.read(
            key[0], lambda connection: whole_run(repository.find_run(connection, *key)), f"runs/{key[1]}"
        )

    async def run_and_attempts(self, key: RunKey) -> tuple[run_pb2.Run, list[attempt_pb2.Attempt]]:
        """The run, however large it is, and every call to the model that was made for it, without answers.

        Raises:
            RunNotFound: the tenant has no such run.
        """

        def find(connection: Connection) -> tuple[run_pb2.Run, list[attempt_pb2.Attempt]]:
            run = whole_run(repository.find_run(connection, *key))
            panel = [persona.persona_id for persona in run.specification.personas]
            rows = find_attempts(connection, *key, step_names(panel))
            return run, [attempt_message(row) for row in rows]

        return await self.read(key[0], find, f"runs/{key[1]}", answers_commit=True)
