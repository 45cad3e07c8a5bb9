"""Units of work: one function in one transaction, run again in a fresh one where another stood in the way."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from random import random
from time import monotonic
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from consensus_contract.errors import DatabaseError, DatabaseUnavailable, LockTimeout
from consensus_rpc.backoff import Backoff, Chance
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database.admission import admit
from persistence_service.database.contention import (
    count_lock_timeout,
    count_retry,
    show_lock_timeouts,
    waiting_for,
)
from persistence_service.database.engine import READ_ONLY, SQLITE_BUSY_TIMEOUT_MS
from persistence_service.database.faults import DatabaseFault, classify, code_of, refusal
from persistence_service.database.options import Backend
from persistence_service.database.overseer import CUT_AFTER_SECONDS, Overseer, UnitEnded, Watch

Isolation = Literal["READ COMMITTED", "REPEATABLE READ"]
Connect = Callable[[], AbstractContextManager[Connection]]
Result = TypeVar("Result")
Unit = Callable[[Connection], Result]

ATTEMPTS = 3
FIRST_ATTEMPT_SHARE = 0.75
BACKOFF = Backoff(first_seconds=0.1, jitter=0.1)

log = get_logger()


class _WriteLockBusy(Exception):  # noqa: N818 - it says what is the case
    """Other threads of this process kept SQLite's write lock for too long."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How one unit of work wants to be run."""

    isolation: Isolation = "REPEATABLE READ"
    read_only: bool = False
    resource: str = "database"
    rerun_when_lost: bool = False
    tenant: str = ""
    """Whose rows it may see; empty on a connection that shows what it shows for as long as it is open."""
    within_seconds: float | None = None
    """How long the unit may take, all attempts together; the last quarter is for those after the first."""
    watch: Watch = field(default_factory=Watch)
    started: float = field(default_factory=monotonic)

    def attempt_ends_at(self) -> float | None:
        """When an attempt that begins now is to have ended."""
        if self.within_seconds is None:
            return None
        share = self.within_seconds * FIRST_ATTEMPT_SHARE
        rest = self.within_seconds - share
        return max(self.started + share, monotonic() + rest) - CUT_AFTER_SECONDS

    def has_time(self) -> bool:
        """Whether another attempt may begin."""
        return self.within_seconds is None or monotonic() < self.started + self.within_seconds


class Units:
    """Runs units of work: commits on success, rolls back on any error, retries what contention broke.

    Sleep, which takes seconds, and chance are handed in.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        check: Callable[[Terms], None],
        suspect: Callable[[Terms], None],
        overseer: Overseer,
        check_stored: Callable[[], None] = lambda: None,
        writer_role: str = "",
        attempts: int = ATTEMPTS,
        counts_timeouts: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        chance: Chance = random,
    ) -> None:
        """`check` raises while the database is known to be away; `suspect` is told of a unit that met no
        answer; `check_stored` raises when what was committed is not where the next start would look for it.
        `writer_role` is who sees the rows of every tenant, if not whoever has connected. `attempts` are
        those of a unit that contention breaks, all together; `counts_timeouts`: whoever asked is told of
        what was given up then, and nobody else is asked in its place.
        """
        self._backend = backend
        self._check = check
        self._suspect = suspect
        self._overseer = overseer
        self._check_stored = check_stored
        self._writer_role = writer_role
        self._attempts = attempts
        self._counts_timeouts = counts_timeouts
        self._sleep = sleep
        self._chance = chance
        self._write_lock = threading.Lock()

    def run(self, fn: Unit[Result], terms: Terms, connect: Connect) -> Result:
        """What `fn` answers, once its transaction is committed.

        Raises:
            LockTimeout: contention through all tries.
            DatabaseUnavailable: no connection, a lost one, or no answer in time; a commit may have happened.
            DatabaseError: the database refused a statement for another reason.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=self._pause,
            retry=retry_if_exception(lambda error: _may_run_again(error, terms)),
            sleep=self._sleep,
            before_sleep=lambda state: self._note_retry(state, terms),
            reraise=True,
        )
        if self._counts_timeouts:
            show_lock_timeouts(terms.resource)
        self._overseer.add(terms.watch)
        try:
            result: Result = retrying(self._attempt, fn, terms, connect)
            return result
        except (DBAPIError, PoolTimeout, UnitEnded, _WriteLockBusy) as error:
            raise self._translated(error, terms) from _cause(error)
        finally:
            self._overseer.remove(terms.watch)
            retrying.iter_state.reset()  # what it was to do next leads back to itself: garbage, if left

    def _attempt(self, fn: Unit[Result], terms: Terms, connect: Connect) -> Result:
        self._check(terms)
        with self._turn(terms), connect() as pooled:
            connection = self._configured(pooled, terms)
            with _watched(connection, terms), connection.begin():
                if terms.tenant:
                    admit(connection, terms.tenant, self._writer_role, read_only=terms.read_only)
                result = fn(connection)
                terms.watch.commits()
            if terms.watch.is_trial and terms.watch.asked_at is not None:
                raise UnitEnded  # its commit is worth nothing
            if not terms.read_only:
                self._check_stored()  # while a connection is open
        return result

    def _configured(self, connection: Connection, terms: Terms) -> Connection:
        wanted: dict[str, object] = {READ_ONLY: terms.read_only}
        if self._backend == "postgresql":
            wanted = {"isolation_level": terms.isolation, "postgresql_readonly": terms.read_only}
        # Each setting leaves a callback for the connection's return, and a kept connection never returns.
        if wanted.items() <= connection.get_execution_options().items():
            return connection
        return connection.execution_options(**wanted)

    @contextmanager
    def _turn(self, terms: Terms) -> Iterator[None]:
        """SQLite has one writer: threads queue here, since its own waiting starves some of them."""
        if self._backend != "sqlite" or terms.read_only:
            yield
            return
        with waiting_for(terms.resource):
            is_ours = self._write_lock.acquire(timeout=SQLITE_BUSY_TIMEOUT_MS / 1000)
        if not is_ours:
            raise _WriteLockBusy
        try:
            yield
        finally:
            self._write_lock.release()

    def _pause(self, state: RetryCallState) -> float:
        return BACKOFF.seconds(state.attempt_number, self._chance())

    def _note_retry(self, state: RetryCallState, terms: Terms) -> None:
        """Where no answer came it is tried whether writing works, whatever the next attempt meets."""
        error = state.outcome.exception() if state.outcome else None
        if error is not None and _fault(error) is DatabaseFault.UNAVAILABLE:
            self._suspect(terms)
        _log_retry(error, terms, state.attempt_number)

    def _translated(self, error: Exception, terms: Terms) -> Exception:
        fault = _fault(error)
        if fault is DatabaseFault.CONTENTION:
            if self._counts_timeouts:
                count_lock_timeout(terms.resource)
            return LockTimeout(resource=terms.resource)
        if fault is DatabaseFault.UNAVAILABLE:
            if not terms.watch.is_unwanted:
                self._suspect(terms)
                log.warning("database_call_failed", resource=terms.resource, cause=code_of(error))
            return DatabaseUnavailable()
        return DatabaseError()


def _fault(error: BaseException) -> DatabaseFault | None:
    if isinstance(error, _WriteLockBusy):
        return DatabaseFault.CONTENTION
    if isinstance(error, UnitEnded):
        return DatabaseFault.UNAVAILABLE
    return classify(error) if isinstance(error, DBAPIError | PoolTimeout) else None


@contextmanager
def _watched(connection: Connection, terms: Terms) -> Iterator[None]:
    """Overseen from here on; a connection whose statement was to be ended serves nobody else."""
    driver: Any = connection.connection.driver_connection
    terms.watch.begins(driver, terms.attempt_ends_at())
    try:
        yield
    finally:
        if not terms.watch.ends() and connection.dialect.name == "postgresql":
            connection.invalidate()


def _may_run_again(error: BaseException, terms: Terms) -> bool:
    if terms.watch.is_unwanted or not terms.has_time():
        return False
    fault = _fault(error)
    return fault is DatabaseFault.CONTENTION or (fault is DatabaseFault.UNAVAILABLE and terms.rerun_when_lost)


def _log_retry(error: BaseException | None, terms: Terms, attempt: int) -> None:
    code = code_of(error) if isinstance(error, Exception) else ""
    count_retry(_fault(error) if error is not None else None, code)
    log.info("transaction_retried", resource=terms.resource, attempt=attempt, cause=code)


def _cause(error: Exception) -> Exception:
    """What the log may show; a driver's message can quote the row that it refused."""
    return refusal(error) if isinstance(error, DBAPIError) else error
