"""Which database, and how to connect to it: addresses in the accepted forms, and the options of the pool."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

Backend = Literal["postgresql", "sqlite"]
PoolerMode = Literal["session", "transaction"]
ACCEPTED_URLS = (
    "sqlite:///path, or postgresql://user:password@host:port/name (postgres:// too), with what is special in "
    "user and password escaped (@ as %40), commas between several hosts, and perhaps parameters such as "
    "?sslmode=require"
)
# Of libpq's parameters those that are no secrets, and that the service does not set itself.
_PARAMETERS = frozenset(
    {
        *("application_name", "channel_binding", "connect_timeout", "gssencmode", "host", "hostaddr"),
        *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "options"),
        *("passfile", "port", "ssl_min_protocol_version", "sslcert", "sslcrl", "sslkey", "sslmode"),
        *("sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout"),
    }
)
_MOST_PORT = 65_535
_POSTGRESQL = {"postgres", "postgresql", "postgresql+psycopg2"}
# libpq's own form, which SQLAlchemy does not read: postgresql://user@one:5432,two:5432/name
_SEVERAL_HOSTS = re.compile(
    r"(?P<before>[^/?#]*://([^/?#@]*@)?)(?P<hosts>[^/?#@]*,[^/?#@]*)(?P<after>[/?].*)?"
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:(?P<port>[1-9][0-9]{0,4}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """All that a `Database` needs to know; spans in seconds."""

    url: URL
    migrate_url: URL | None = None
    """PostgreSQL's own address, where `url` leads to a pooler."""
    pooler_mode: PoolerMode = "session"
    """For how long a connection is one session; without a pooler, as long as it is open."""
    pool: Literal["queue", "null"] = "queue"
    pool_size: int = 5
    max_overflow: int = 10
    pool_timeout: float = 30.0
    pool_recycle: float = 3600.0
    pool_pre_ping: bool = True
    auto_migrate: bool = True
    statement_timeout: float = 10.0
    writer_role: str = ""
    probe_interval: float = 0.4
    answer_timeout: float = 1.0
    read_url: URL | None = None
    """A standby, or several, for reads that may be `read_staleness` seconds old."""
    read_staleness: float = 5.0
    distributed: bool = False
    """Whether rows are distributed by tenant over several servers."""

    @property
    def backend(self) -> Backend:
        """Which of the two."""
        return "sqlite" if self.url.get_backend_name() == "sqlite" else "postgresql"

    @property
    def connection_limit(self) -> int:
        """How many connections may be open at once."""
        return self.pool_size + self.max_overflow

    @property
    def shares_sessions(self) -> bool:
        """Whether each transaction may meet another session, in which nothing of this one is set."""
        return self.backend == "postgresql" and self.pooler_mode == "transaction"

    @property
    def sets_in_transactions(self) -> bool:
        """Whether each transaction is told which rows to show: its session may be lost, or not the one that
        reads.
        """
        return self.backend == "postgresql" and (self.shares_sessions or self.distributed)

    def direct(self) -> Self:
        """The same database without the pooler, for what holds on to a session."""
        return replace(self, url=self.migrate_url or self.url, migrate_url=None, pooler_mode="session")

    @property
    def sqlite_path(self) -> Path:
        """The database's file, absolute and free of links, so that one file has one lock."""
        return Path(self.url.database or "").resolve()

    @property
    def name(self) -> str:
        """The database's name; of SQLite the file's stem."""
        return self.sqlite_path.stem if self.backend == "sqlite" else self.url.database or ""


def shown_address(options: "DatabaseOptions") -> str:
    """Where the database is, without user, password and parameters, which may be secret too."""
    if options.backend == "sqlite":
        return f"sqlite:///{options.sqlite_path}"
    places = ",".join(f"{host}:{port}" if port else host for host, port in _places(options.url))
    return f"postgresql://{places}/{options.url.database}"


def names_several_hosts(url: URL) -> bool:
    """Whether the database is at one of several hosts, such as a primary and its standbys."""
    return len(_places(url)) > 1


def _places(url: URL) -> list[tuple[str, str]]:
    """Hosts, those of IPv6 in brackets, and their ports, empty where none is given, as the driver has them.

    Raises:
        ArgumentError: ports that are none, or not as many as hosts.
    """
    _, told = url.get_dialect()().create_connect_args(url)
    hosts = str(told.get("host") or told.get("hostaddr") or "").split(",")
    ports = str(told.get("port", "")).split(",")
    if not all(port == "" or 0 < int(port) <= _MOST_PORT for port in ports):
        raise ArgumentError("ports beyond all ports")
    each = ports * len(hosts) if len(ports) == 1 else ports
    return [(f"[{host}]" if ":" in host else host, port) for host, port in zip(hosts, each, strict=True)]


def normalise_url(text: str) -> URL:
    """The address with its driver named; `postgresql://` alone would mean another driver.

    Raises:
        ValueError: for any but the accepted forms; the message never holds the password.
    """
    try:
        url = _parsed(text.strip())
        if url.drivername in _POSTGRESQL:
            return _postgresql(url)
    except ArgumentError as error:
        raise ValueError(f"is not of the form {ACCEPTED_URLS}") from error
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(url)
    raise ValueError(f"is not of the form {ACCEPTED_URLS}")


def _parsed(text: str) -> URL:
    """What SQLAlchemy makes of it; several hosts become libpq's parameters `host` and `port`."""
    several = _SEVERAL_HOSTS.fullmatch(text)
    if several is None:
        return make_url(text)
    url = make_url(f"{several['before']}{several['after'] or ''}")
    places = [found for each in several["hosts"].split(",") if (found := _HOST_AND_PORT.fullmatch(each))]
    if url.query.keys() & {"host", "port"} or len(places) <= several["hosts"].count(","):
        raise ArgumentError("hosts that are no hosts, or named twice")
    return url.update_query_dict(
        {
            "host": ",".join(each["host"].strip("[]") for each in places),
            "port": ",".join(each["port"] or "" for each in places),  # libpq has a default
        }
    )


def _postgresql(url: URL) -> URL:
    if not url.database:
        raise ValueError("names no database: postgresql://user:password@host:port/name")
    if "@" in f"{url.host}{url.database}":
        raise ValueError(
            "has an @ in user or password, which is %40: postgresql://user:password@host:port/name"
        )
    if not url.query.keys() <= _PARAMETERS:
        allowed = ", ".join(sorted(_PARAMETERS))
        raise ValueError(f"is not postgresql://user:password@host:port/name with parameters of {allowed}")
    url = url.set(drivername="postgresql+psycopg2")
    _places(url)  # what is no place is said now, and not awaited as if it were away
    return url


def _sqlite(url: URL) -> URL:
    if url.host or url.username or url.query:
        raise ValueError("is a file's path after three slashes: sqlite:///data/consensus.db")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("names no file, and a database in memory keeps nothing: sqlite:///data/consensus.db")
    return url.set(drivername="sqlite+pysqlite")
