"""What a database must be before anything is acknowledged on it."""

import sqlite3
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, inspect, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import bindparam
from sqlalchemy.types import Text

LEAST_SQLITE = (3, 35, 0)  # RETURNING
LEAST_POSTGRESQL = 15  # a view under the row-level security of whoever asks it


class StartRefused(Exception):  # noqa: N818 - it says what happened
    """The service must not run on this database; the message says why and what to do."""


def verify(connection: Connection) -> None:
    """Checks that what is committed survives a crash of the database.

    Raises:
        StartRefused: naming each setting that stands in the way.
    """
    if connection.dialect.name == "sqlite":
        _verify_sqlite(connection)
    else:
        _verify_postgresql(connection)


Rights = Mapping[str, Sequence[str]]
"""By table, what the service's role must be allowed."""

_MISSING_RIGHTS = text(
    "SELECT wanted.name, wanted.right, found.relation IS NULL AS is_missing "
    'FROM unnest(:names, :rights) AS wanted (name, "right"), '
    "LATERAL (SELECT to_regclass(quote_ident(wanted.name)) AS relation) AS found "
    "WHERE found.relation IS NULL OR NOT has_table_privilege(found.relation, wanted.right) "
    # Whoever has taken on another role for this connection does the rest without it.
    "OR NOT has_table_privilege(session_user, found.relation, wanted.right)"
).bindparams(bindparam("names", type_=ARRAY(Text)), bindparam("rights", type_=ARRAY(Text)))


def missing_rights(connection: Connection, rights: Rights) -> str:
    """Which tables are not there, and what the role may not do to those that are; empty when all is well."""
    if not rights:
        return ""
    if connection.dialect.name == "sqlite":
        there = set(inspect(connection).get_table_names())
        return "; ".join(f"no table {name}" for name in rights if name not in there)
    wanted = [(name, right) for name, several in rights.items() for right in several]
    parameters = {"names": [name for name, _ in wanted], "rights": [right for _, right in wanted]}
    faults: dict[str, list[str]] = {}
    for row in connection.execute(_MISSING_RIGHTS, parameters):
        faults.setdefault(row.name, []).append("" if row.is_missing else row.right)
    return "; ".join(
        f"no {' or '.join(lacking)} on {name}" if all(lacking) else f"no table {name}"
        for name, lacking in sorted(faults.items())
    )


_SEES_EVERY_TENANT = text(
    "SELECT NOT row_security_active('runs') OR EXISTS ("
    "SELECT FROM pg_policy, unnest(polroles) AS role WHERE polrelid = 'runs'::regclass "
    "AND polname = 'every_tenant' AND (role = 0 OR pg_has_role(role, 'USAGE')))"
)


def verify_rights(connection: Connection, rights: Rights) -> None:
    """Checks that the role may do what the service does.

    Raises:
        StartRefused: naming each right that it lacks.
    """
    is_postgresql = bool(rights) and connection.dialect.name == "postgresql"
    if is_postgresql and not connection.execute(_SEES_EVERY_TENANT).scalar_one():
        raise StartRefused(
            "the database's role may see one tenant at a time alone: DB_WRITER_ROLE is to name the role "
            "that `migrate` was given as --writer-role."
        )
    if lacking := missing_rights(connection, rights):
        raise StartRefused(
            f"the database's role has {lacking}. GRANT it, as the tables' owner may, and start again."
        )


def _verify_postgresql(connection: Connection) -> None:
    release = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
    if release < LEAST_POSTGRESQL:
        raise StartRefused(f"PostgreSQL {release} is too old; {LEAST_POSTGRESQL} or later is needed.")
    rows = connection.execute(
        text(
            "SELECT name, setting FROM pg_settings WHERE name IN "
            "('fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding')"
        )
    )
    settings = {name: setting for name, setting in rows}  # noqa: C416 - rows are no pairs to the type checker
    faults = [
        f"{name} is off"
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if settings[name] == "off"
    ]
    if faults:
        raise StartRefused(
            f"PostgreSQL could lose what is acknowledged: {', '.join(faults)}. "
            "Turn it on in postgresql.conf, or with ALTER SYSTEM, and start again."
        )
    if settings["server_encoding"] != "UTF8":
        raise StartRefused(
            f"the database's encoding is {settings['server_encoding']}; create it with ENCODING 'UTF8'."
        )
    client = connection.exec_driver_sql("SHOW client_encoding").scalar_one()
    if client != "UTF8":
        raise StartRefused(
            f"the connection's encoding is {client} though UTF8 was asked for: does a pooler change it?"
        )


def _verify_sqlite(connection: Connection) -> None:
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        raise StartRefused(f"SQLite {sqlite3.sqlite_version} is too old; {least} or later is needed.")
    journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    full = 2
    if journal != "wal" or synchronous < full:
        raise StartRefused(
            f"SQLite could lose what is acknowledged: journal_mode is {journal} and synchronous is "
            f"{synchronous}; WAL and FULL (2) are needed, which some network file systems cannot do."
        )
