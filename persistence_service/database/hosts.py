"""Which of several hosts is asked first for a connection: the one that was the right one last.

libpq asks them in the order in which they are given, and waits for one that does not answer at all until
`connect_timeout`. After a failover the first of them may be a machine that is gone. Where any of them will do
(`target_session_attrs=any`), none is found to be a wrong one, and only their order says which is meant.
"""

from collections.abc import Mapping
from typing import Any

import psycopg2.extensions

_DEFAULT_PORT = "5432"


class FirstHost:
    """Remembers where the last connection led; the others keep their order."""

    def __init__(self) -> None:
        self._last = ("", "")

    def reached(self, connection: psycopg2.extensions.connection) -> None:
        """A connection was made."""
        self._last = (str(connection.info.host), str(connection.info.port))

    def arranged(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The driver's arguments, with the hosts in the order in which they are to be asked."""
        hosts, ports = str(given.get("host") or "").split(","), str(given.get("port") or "").split(",")
        if len(hosts) == 1 or "hostaddr" in given or given.get("target_session_attrs") == "any":
            return given
        if len(ports) == 1:  # that of all
            ports *= len(hosts)
        places = sorted(zip(hosts, ports, strict=True), key=self._comes_later)
        return {
            **given,
            "host": ",".join(host for host, _ in places),
            "port": ",".join(port for _, port in places),
        }

    def _comes_later(self, place: tuple[str, str]) -> bool:
        host, port = place
        return (host, port or _DEFAULT_PORT) != self._last
