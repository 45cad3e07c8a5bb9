"""Units of work under way, seen from outside: what has lost its caller or takes too long is ended.

The timeouts of PostgreSQL are kept by the backend itself; one that was stopped keeps none. A COMMIT is never
asked to end, since a server that gives up waiting for its standby calls it a success; its connection is cut,
and whoever committed looks on a new one. Only a trial's is, with which nothing is at stake: each connection
that is cut leaves the server a backend that waits.
"""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import monotonic, sleep

from consensus_rpc.telemetry.log import get_logger
from persistence_service.database.connections import Connections, DriverConnection, PostgresConnection

TICK_SECONDS = 0.1
CUT_AFTER_SECONDS = 0.2
"""From asking the database to end a statement to cutting its connection."""
STUCK_AFTER_SECONDS = 0.5
"""From then to giving the unit up: neither has freed its thread."""

STATEMENT_GRACE_SECONDS = 1.0
"""PostgreSQL gives a statement up by itself at its timeout; a backend that does not is cut off this later."""

STOPPED_SECONDS = 1.0
"""Nothing else takes so long from one look to the next."""

log = get_logger()


class UnitEnded(Exception):  # noqa: N818 - it says what happened
    """The unit was asked to end before it had committed."""

    def __init__(self) -> None:
        super().__init__("no end in time")


class Watch:
    """One unit of work, for who oversees it; its attempts may have several connections, one at a time."""

    __slots__ = (
        "_driver",
        "_gate",
        "_is_committing",
        "_is_cut",
        "_on_stuck",
        "asked_at",
        "ends_at",
        "is_read",
        "is_trial",
        "is_unwanted",
    )

    def __init__(
        self, on_stuck: Callable[[], None] | None = None, *, is_read: bool = False, is_trial: bool = False
    ) -> None:
        """`on_stuck` is called, from another thread, when the unit cannot be freed."""
        self._gate = threading.Lock()
        self._driver: DriverConnection | None = None
        self._is_committing = False
        self._is_cut = False
        self._on_stuck = on_stuck
        self.ends_at: float | None = None
        """When the attempt is to have ended, by the monotonic clock."""
        self.asked_at: float | None = None
        """When it was asked to end."""
        self.is_unwanted = False
        self.is_read = is_read
        self.is_trial = is_trial

    def begins(self, driver: DriverConnection, ends_at: float | None) -> None:
        """An attempt begins on this connection.

        Raises:
            UnitEnded: nobody waits for it any more.
        """
        with self._gate:
            if self.is_unwanted:
                raise UnitEnded
            self._driver, self.ends_at = driver, ends_at
            self._is_committing = self._is_cut = False
            self.asked_at = None

    def commits(self) -> None:
        """All statements are done, and the commit is next.

        Raises:
            UnitEnded: it was asked to end: the request may be on its way still, and would meet the COMMIT.
        """
        with self._gate:
            if self.asked_at is not None:
                raise UnitEnded
            self._is_committing = True

    def ends(self) -> bool:
        """The attempt is over; whether its connection may be used again."""
        with self._gate:
            self._driver = None
            return self.asked_at is None

    def ask_to_end(self) -> DriverConnection | None:
        """Notes that the attempt is to end; answers the connection that is to be interrupted.

        SQLite's is interrupted here: it answers at once, and must not be met by the next unit.
        """
        with self._gate:
            driver = self._driver
            if driver is None or self.asked_at is not None:
                return None
            self.asked_at = monotonic()
            if self._is_committing and not self.is_trial:
                return None
            if isinstance(driver, PostgresConnection):
                return driver
            driver.interrupt()
            return None

    def unwanted(self) -> DriverConnection | None:
        """As `ask_to_end`, for a unit that nobody waits for; one that commits goes on."""
        with self._gate:
            self.is_unwanted = True
            if self._is_committing:
                return None
        return self.ask_to_end()

    def cut(self) -> bool:
        """Shuts the connection that the attempt is on, once; whether there was one to shut."""
        with self._gate:
            if self._driver is None or self._is_cut:
                return False
            self._is_cut = self._driver.cut()
            return self._is_cut

    def stuck(self) -> None:
        """Tells, once, that the unit cannot be freed."""
        with self._gate:
            on_stuck, self._on_stuck = self._on_stuck, None
        if on_stuck is not None:
            on_stuck()


class Overseer:
    """Ends what is to end, from threads of its own; asleep while nothing is under way."""

    def __init__(self, connections: Sequence[Connections], statement_seconds: float) -> None:
        """Whoever waits for one answer longer than `statement_seconds` on one of the connections is freed."""
        self._connections = connections
        self._statement_seconds = statement_seconds
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._wanted = threading.Event()
        self._stopping = False
        self._to_interrupt: SimpleQueue[DriverConnection | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._oversee, name="database-overseer", daemon=True),
            threading.Thread(target=self._interrupt, name="database-interrupts", daemon=True),
        ]

    def start(self) -> None:
        """Begins to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the looking; a request to a server that cannot be reached is not waited for."""
        self._stopping = True
        self._wanted.set()
        self._to_interrupt.put(None)
        if self._threads[0].ident is not None:
            self._threads[0].join()

    def add(self, watch: Watch) -> None:
        """A unit begins."""
        with self._lock:
            self._watches.add(watch)
        self._wanted.set()

    def remove(self, watch: Watch) -> None:
        """It is over."""
        with self._lock:
            self._watches.discard(watch)

    def let_go(self, watch: Watch) -> None:
        """Ends a unit that nobody waits for any more; may be called from the event loop."""
        if (driver := watch.unwanted()) is not None:
            self._to_interrupt.put(driver)

    def let_all_reads_go(self) -> None:
        """Ends all units that only read."""
        with self._lock:
            reads = [watch for watch in self._watches if watch.is_read]
        for watch in reads:
            self.let_go(watch)

    def _interrupt(self) -> None:
        while (driver := self._to_interrupt.get()) is not None:
            driver.interrupt()

    def _oversee(self) -> None:
        while not self._stopping:
            self._wanted.wait()
            looked_at = monotonic()
            self._look()
            sleep(TICK_SECONDS)
            if monotonic() > looked_at + STOPPED_SECONDS:
                sleep(TICK_SECONDS)  # this process was stopped: answers may be waiting

    def _look(self) -> None:
        with self._lock:
            watches = list(self._watches)
            if not watches and not self._stopping:
                self._wanted.clear()
        now = monotonic()
        for watch in watches:
            self._judge(watch, now)
        if count := sum(each.cut(busy_longer_than=self._statement_seconds) for each in self._connections):
            log.warning("database_connections_cut", connections=count, cause="a statement without an answer")

    def _judge(self, watch: Watch, now: float) -> None:
        asked_at = watch.asked_at
        if asked_at is None:
            if watch.ends_at is not None and now >= watch.ends_at:
                if (driver := watch.ask_to_end()) is not None:
                    self._to_interrupt.put(driver)
                elif watch.cut():  # it commits
                    log.warning("database_connection_cut", cause="a commit without an answer")
            return
        if now >= asked_at + CUT_AFTER_SECONDS and watch.cut():
            log.warning("database_connection_cut", cause="no end of what was to end")
        if now >= asked_at + CUT_AFTER_SECONDS + STUCK_AFTER_SECONDS:
            watch.stuck()
