"""What works of a database, as last seen: its connections, writing, and the rights of the role."""

from collections.abc import Callable

from persistence_service.database.probe import Availability
from persistence_service.database.units import Terms


class Condition:
    """Whether units of work may be begun; who meets a fault says so, and who tries it out is asked to.

    Connections are asked for all the time. Writes and rights are known to be away only by whoever writes all
    the time, and tries until it works again.
    """

    def __init__(self) -> None:
        self.connections = Availability()
        self.writes = Availability(what="writes", up=True)
        self.rights = Availability(what="rights", up=True)
        self._suspicions: list[Callable[[], None]] = []

    @property
    def is_good(self) -> bool:
        """Whether the database answers, takes writes, and allows the role what it needs."""
        return self.connections.up and self.writes.up and self.rights.up

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """Calls back with `is_good` whenever it may have changed, from the thread that noticed."""
        for each in (self.connections, self.writes, self.rights):
            each.on_change(lambda _up: callback(self.is_good))

    def on_suspicion(self, callback: Callable[[], None]) -> None:
        """Calls back, from any thread, when it should be tried whether writing works."""
        self._suspicions.append(callback)

    def check(self, terms: Terms) -> None:
        """Nothing while a unit on such terms may be begun; rights refuse none, for the database does.

        Raises:
            DatabaseUnavailable: what it needs is away.
        """
        self.connections.check()
        if _is_ordinary_write(terms):
            self.writes.check()

    def suspect(self, terms: Terms) -> None:
        """Has writing tried, since a unit on such terms met a fault."""
        if _is_ordinary_write(terms):
            for tell in self._suspicions:
                tell()


def _is_ordinary_write(terms: Terms) -> bool:
    return not (terms.read_only or terms.watch.is_trial)
