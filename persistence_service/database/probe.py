"""Whether the database answers: asked all the time in the background, so that calls can fail at once."""

import threading
from collections.abc import Callable

from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.telemetry.log import get_logger

# A process that was itself stopped finds the answer waiting once it runs again.
GRACE_SECONDS = 0.1

log = get_logger()


class Availability:
    """Whether something works; starts as away. Callbacks run in the thread that noticed.

    `what` it is stands in the log.
    """

    def __init__(self, *, what: str = "connections", up: bool = False) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._up = up
        self._callbacks: list[Callable[[bool], None]] = []

    @property
    def up(self) -> bool:
        """Whether it answered when last asked."""
        return self._up

    def check(self) -> None:
        """Nothing while it is there.

        Raises:
            DatabaseUnavailable: while it is away.
        """
        if not self._up:
            raise DatabaseUnavailable

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """Calls back with every change from now on."""
        with self._lock:
            self._callbacks.append(callback)

    def set(self, up: bool, cause: str = "") -> None:
        """Takes note, and tells whoever asked if it is news; without a cause it went on purpose."""
        with self._lock:
            if self._up == up:
                return
            self._up = up
            callbacks = list(self._callbacks)
        if up:
            log.info("database_available", what=self._what)
        elif cause:
            log.warning("database_away", what=self._what, cause=cause)
        for callback in callbacks:
            callback(up)


class Probe:
    """Asks the database again and again on a connection of its own.

    `ask` blocks until the database answered and raises if it did not; one thread runs it, another times it.
    Where no answer comes in time, `cut` frees whoever waits on a connection, the asking thread included.
    """

    def __init__(
        self,
        availability: Availability,
        ask: Callable[[], None],
        cut: Callable[[], int],
        *,
        interval: float,
        answer_timeout: float,
    ) -> None:
        """`interval` lies between an answer and the next question; both spans in seconds."""
        self._availability = availability
        self._ask = ask
        self._cut = cut
        self._interval = interval
        self._answer_timeout = answer_timeout
        self._wanted = threading.Event()
        self._answered = threading.Event()
        self._wake = threading.Event()
        self._stopping = False
        self._cause: str | None = None
        self._threads = [
            threading.Thread(target=self._watch, name="database-probe-watch", daemon=True),
            threading.Thread(target=self._answer, name="database-probe", daemon=True),
        ]

    def start(self) -> None:
        """Begins to ask."""
        for thread in self._threads:
            thread.start()

    def suspect(self) -> None:
        """Asks at once, since somebody lost a connection."""
        self._wake.set()

    def stop(self) -> None:
        """Ends both threads; a question that is not answered in time is cut off."""
        self._stopping = True
        self._wake.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _watch(self) -> None:
        while not self._stopping:
            self._answered.clear()
            self._wanted.set()
            if not self._answered.wait(self._answer_timeout) and not self._answered.wait(GRACE_SECONDS):
                self._availability.set(False, cause=f"no answer within {self._answer_timeout} s")
                log.warning("database_connections_cut", connections=self._cut())
                self._answered.wait()
            self._availability.set(self._cause is None, cause=self._cause or "")
            self._wake.wait(self._interval)
            self._wake.clear()
        self._wanted.set()

    def _answer(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopping:
                self._answered.set()
                return
            try:
                self._ask()
            except Exception as error:  # noqa: BLE001 - whatever it is, the database did not answer
                self._cause = f"{type(error).__name__}: {error}".splitlines()[0]
            else:
                self._cause = None
            self._answered.set()
