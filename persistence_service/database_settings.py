"""The settings of the database: which one, and how to connect to it."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from sqlalchemy import URL

from consensus_rpc.process.settings import Seconds, Settings
from consensus_rpc.process.settings_text import Allowed
from persistence_service.database import ACCEPTED_URLS, DatabaseOptions, normalise_url

DEFAULT_URL = "sqlite:///data/consensus.db"
_PARTS = ("db_host", "db_port", "db_name", "db_user", "db_password")


def _check_url(value: SecretStr) -> SecretStr:
    normalise_url(value.get_secret_value())
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_url), Allowed(ACCEPTED_URLS)]


class DatabaseSettings(Settings):
    """What the persistence service can be told of its database."""

    database_url: DatabaseUrl | None = Field(
        None,
        description=f"The database; `{DEFAULT_URL}` unless this or one of DB_HOST to DB_PASSWORD is set. "
        "PostgreSQL may have several hosts, `one:5432,two:5432`: the primary among them is used.",
    )
    database_read_url: DatabaseUrl | None = Field(
        None,
        description="A standby of the PostgreSQL database, or several, for lists, exports and the past of "
        "runs; what it cannot answer is read from the primary.",
    )
    db_read_staleness_seconds: Seconds = Field(
        5.0,
        ge=1,
        le=600,
        description="A standby is asked while it has all that was acknowledged this long ago.",
    )
    db_host: str = Field(
        "localhost",
        max_length=255,
        description="PostgreSQL's host, or several with commas between; like the next four refused beside "
        "DATABASE_URL.",
    )
    db_port: int = Field(5432, ge=1, le=65_535, description="PostgreSQL's port.")
    db_name: str = Field("consensus_engine", min_length=1, max_length=63, description="The database's name.")
    db_user: str = Field("postgres", min_length=1, max_length=63, description="The role to connect as.")
    db_password: SecretStr | None = Field(None, description="The role's password.")
    db_pool: Literal["queue", "null"] = Field(
        "queue",
        description="`queue` keeps connections; `null` opens one per use, where a pooler keeps them.",
    )
    db_pool_size: int = Field(5, ge=1, le=100, description="Connections that the pool keeps.")
    db_max_overflow: int = Field(10, ge=0, le=100, description="Connections beyond them under load.")
    db_pool_timeout: Seconds = Field(30.0, ge=1, le=300, description="How long to wait for a connection.")
    db_pool_recycle: Seconds = Field(3600.0, ge=60, le=7200, description="Age at which one is replaced.")
    db_pool_pre_ping: bool = Field(True, description="Whether a connection is tried before it is used.")
    db_pooler_mode: Literal["session", "transaction"] = Field(
        "session",
        description="`transaction` where a pooler such as PgBouncer lends its connections for a transaction "
        "each; the role then carries what a session needs, which `migrate` sets.",
    )
    database_migrate_url: DatabaseUrl | None = Field(
        None,
        description="PostgreSQL's own address, for migrations and db-reset, where the one above leads to a "
        "pooler in transaction mode: they lock for a session.",
    )
    db_auto_migrate: bool = Field(
        True, description="Whether the schema is brought to head at start; safe with many replicas."
    )
    db_statement_timeout_seconds: Seconds = Field(
        10.0, ge=0.1, le=600, description="PostgreSQL gives a statement up after it: UNAVAILABLE."
    )
    db_writer_role: str = Field(
        "",
        pattern=r"^([a-z_][a-z0-9_]{0,62})?$",
        description="On PostgreSQL, the role that sees the rows of every tenant, for what is written "
        "together, claimed or purged; the user must be allowed to take it on. Empty: the user itself.",
    )
    db_distributed: bool = Field(
        False,
        description="Whether PostgreSQL is distributed by tenant over several servers, as "
        "`deploy/citus/distribute.sql` does it: each statement that locks or writes then names one tenant.",
    )
    db_batch_timeout_seconds: Seconds = Field(
        2.0,
        ge=0.5,
        le=60,
        description="For what is committed together for many runs; then its connection is cut: UNAVAILABLE.",
    )

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        parts = self._given_parts()
        if self.database_url is not None and parts:
            raise ValueError(f"DATABASE_URL: given beside {', '.join(parts)}; set the one or the others")
        return self

    @model_validator(mode="after")
    def _pooler_is_of_postgresql(self) -> Self:
        direct, url = _url(self.database_migrate_url), self.url()
        addresses = [url] if direct is None else [url, direct]
        if (direct or self.db_pooler_mode == "transaction") and any(
            each.get_backend_name() == "sqlite" for each in addresses
        ):
            raise ValueError("DB_POOLER_MODE, DATABASE_MIGRATE_URL: SQLite has neither pooler nor addresses")
        if self.db_pooler_mode == "transaction" and "options" in url.query:
            raise ValueError(
                "DATABASE_URL: its options are a session's, which a pooler loses: DB_POOLER_MODE"
            )
        return self

    @model_validator(mode="after")
    def _standby_of_postgresql(self) -> Self:
        read_url = _url(self.database_read_url)
        if read_url and "sqlite" in (self.url().get_backend_name(), read_url.get_backend_name()):
            raise ValueError("DATABASE_READ_URL: given, but only PostgreSQL has standbys")
        return self

    @model_validator(mode="after")
    def _distributed_postgresql(self) -> Self:
        if self.db_distributed and self.url().get_backend_name() == "sqlite":
            raise ValueError("DB_DISTRIBUTED: set, but SQLite is one file")
        return self

    def _given_parts(self) -> list[str]:
        given = self.model_fields_set
        return [name.upper() for name in _PARTS if name in given and getattr(self, name) is not None]

    def url(self) -> URL:
        """The database's address, from whichever settings give it."""
        if (given := _url(self.database_url)) is not None:
            return given
        if not self._given_parts():
            return normalise_url(DEFAULT_URL)
        return URL.create(
            "postgresql+psycopg2",
            username=self.db_user,
            password=self.db_password.get_secret_value() if self.db_password else None,
            host=self.db_host,
            port=self.db_port,
            database=self.db_name,
        )

    def database_options(self) -> DatabaseOptions:
        """What the database is built from."""
        return DatabaseOptions(
            url=self.url(),
            migrate_url=_url(self.database_migrate_url),
            pooler_mode=self.db_pooler_mode,
            pool=self.db_pool,
            pool_size=self.db_pool_size,
            max_overflow=self.db_max_overflow,
            pool_timeout=self.db_pool_timeout,
            pool_recycle=self.db_pool_recycle,
            pool_pre_ping=self.db_pool_pre_ping,
            auto_migrate=self.db_auto_migrate,
            statement_timeout=self.db_statement_timeout_seconds,
            writer_role=self.db_writer_role,
            read_url=_url(self.database_read_url),
            read_staleness=self.db_read_staleness_seconds,
            distributed=self.db_distributed,
        )


def _url(given: SecretStr | None) -> URL | None:
    return normalise_url(given.get_secret_value()) if given else None
