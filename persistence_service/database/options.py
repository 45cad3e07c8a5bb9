"""Which database, and how to connect to it: addresses in the accepted forms, and the options of the pool."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

Backend = Literal["postgresql", "sqlite"]
ACCEPTED_URLS = (
    "sqlite:///path, or postgresql://user:password@host:port/name (postgres:// too), with what is special in "
    "user and password escaped (@ as %40), and perhaps with parameters such as ?sslmode=require"
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
_POSTGRESQL = {"postgres", "postgresql", "postgresql+psycopg2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """All that a `Database` needs to know; spans in seconds."""

    url: URL
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

    @property
    def backend(self) -> Backend:
        """Which of the two."""
        return "sqlite" if self.url.get_backend_name() == "sqlite" else "postgresql"

    @property
    def connection_limit(self) -> int:
        """How many connections may be open at once."""
        return self.pool_size + self.max_overflow

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
    bare = URL.create(
        "postgresql", host=options.url.host, port=options.url.port, database=options.url.database
    )
    return bare.render_as_string()


def normalise_url(text: str) -> URL:
    """The address with its driver named; `postgresql://` alone would mean another driver.

    Raises:
        ValueError: for any but the accepted forms; the message never holds the password.
    """
    try:
        url = make_url(text.strip())
    except ArgumentError as error:
        raise ValueError(f"is not of the form {ACCEPTED_URLS}") from error
    if url.drivername in _POSTGRESQL:
        return _postgresql(url)
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(url)
    raise ValueError(f"is not of the form {ACCEPTED_URLS}")


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
    return url.set(drivername="postgresql+psycopg2")


def _sqlite(url: URL) -> URL:
    if url.host or url.username or url.query:
        raise ValueError("is a file's path after three slashes: sqlite:///data/consensus.db")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("names no file, and a database in memory keeps nothing: sqlite:///data/consensus.db")
    return url.set(drivername="sqlite+pysqlite")
