"""Whether writing works, what is refused meanwhile, and which leases ended while nobody could renew them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from consensus_contract.errors import DatabaseUnavailable
from persistence_service.database import Database
from persistence_service.runs.write.operations import ClaimWork, Create, Operation, Resume


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which this process could not write, by the database's clock."""

    began: datetime
    ended: datetime


class Writing:
    """What the writer knows of its own success; changed by its thread, read by those who hand something in.

    While the role lacks a right no new work is begun, since it would be paid for and could not be recorded.
    What is under way is tried all the same, so that each run is told what it meets.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._worked_at = clock()
        self.is_away = False
        self._lacking = ""
        self._outage: Outage | None = None

    @property
    def is_lacking(self) -> bool:
        """Whether the role lacks a right."""
        return bool(self._lacking)

    def check(self, operation: Operation) -> None:
        """Nothing, unless the operation would fail or lead to what does.

        Raises:
            DatabaseUnavailable: it would.
        """
        is_new = isinstance(operation, Create | Resume | ClaimWork)
        if self.is_away or (self._lacking and is_new):
            raise DatabaseUnavailable

    def worked(self) -> None:
        """A batch was committed."""
        self._worked_at = self._clock()

    def failed(self, cause: str) -> None:
        """Writing does not work."""
        self.is_away = True
        self._database.condition.writes.set(False, cause)

    def returned(self, now: datetime, lacking: str, lease: timedelta) -> None:
        """Something was written and committed at this instant of the database's clock.

        An outage that follows within a lease of the one before has not ended between them: nobody may have
        come back.
        """
        if self.is_away:
            began = now - timedelta(seconds=self._clock() - self._worked_at)
            if self._outage is not None and began < self._outage.ended + lease:
                began = min(began, self._outage.began)
            self._outage = Outage(began, now)
        self.is_away, self._lacking = False, lacking
        self.worked()
        self._database.condition.rights.set(not lacking, lacking)
        self._database.condition.writes.set(True)

    def outage(self, now: datetime, lease: timedelta) -> Outage | None:
        """The last outage, for one lease after it: so long those who worked through it may come back."""
        if self._outage is not None and now < self._outage.ended + lease:
            return self._outage
        return None
