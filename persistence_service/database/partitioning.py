"""Partitioning the tables of runs by time, while services go on writing; nothing is copied.

A table becomes the first partition of a new one of its name, with all ids up to a time to come. That they are
no later is checked while others read and write (a constraint that is validated); what locks them out, for a
moment, is a change of the catalogue. Whoever waits meanwhile finds the new table by the same name.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import OperationalError

from persistence_service.database.faults import code_of
from persistence_service.database.migrating import exclusive, set_limits
from persistence_service.database.partition_functions import ADD, FIRST, REST, VIEW, definitions
from persistence_service.database.partitions import SEPARATOR, grants, id_at, instant_of

AHEAD: Final = 3
"""So many spans from now on have a partition, the present one counted."""

LOCK_NOT_AVAILABLE = "55P03"
# Those who come after whoever waits for the table wait too, and give up after 50 ms, three times.
_LOCK_MILLISECONDS = 100
_TRIES, _PAUSE_SECONDS = 200, 0.5
_CHECK = "ck_run_id_first"


@dataclass(frozen=True, slots=True)
class Width:
    """How long a span is, in PostgreSQL's words; `begins` says when the one of an instant began."""

    interval: str
    begins: Callable[[datetime], datetime]
    most: timedelta

    def after_next(self, now: datetime) -> datetime:
        """When the span begins that comes after the next one."""
        instant = now
        for _ in range(2):
            instant = self.begins(self.begins(instant) + self.most)
        return instant


def _day(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _week(instant: datetime) -> datetime:
    return _day(instant) - timedelta(days=instant.weekday())


def _month(instant: datetime) -> datetime:
    return _day(instant).replace(day=1)


WIDTHS: Final = {
    "day": Width("1 day", _day, timedelta(days=1)),
    "week": Width("7 days", _week, timedelta(days=7)),
    "month": Width("1 month", _month, timedelta(days=31)),
}

_KIND = text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)")
_UPPER = text(f"SELECT upper_id FROM {VIEW} WHERE lower_id IS NULL LIMIT 1")  # noqa: S608 - a name of our own
_INDEXES = text(
    "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made, "
    "pg_get_constraintdef(pg_constraint.oid) AS constrains "
    "FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u') "
    "WHERE indrelid = to_regclass(:name)"
)
_TRIGGERS = text(
    "SELECT tgname, pg_get_triggerdef(oid) AS made, tgtype & 1 = 1 AS is_of_rows FROM pg_trigger "
    "WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal"
)
_GRANTS = text(
    "SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee, privilege_type "
    "FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass(:name) AND grantee <> relowner"
)
_SEEN_BY = text(
    "SELECT role::text FROM pg_policies, unnest(roles) AS role WHERE schemaname = 'public' "
    "AND tablename = 'runs' AND policyname = 'every_tenant' "
    "AND role <> ALL (ARRAY['public'::name, current_user])"
)


def partition(
    engine: Engine,
    tables: Collection[str],
    width: Width,
    told: Callable[[str], None],
    now: datetime | None = None,
) -> None:
    """Partitions those of the tables that are not yet, and makes the partitions of the time to come.

    It may be run again, after it was interrupted too. `told` hears of each table that is done. `now` is when
    it is, unless given.

    Raises:
        StartRefused: somebody else has been changing the schema for long.
        OperationalError: a table was in use through all tries.
        ProgrammingError: whoever is connected does not own the tables.
    """
    with exclusive(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        set_limits(connection)
        connection.exec_driver_sql("SET consensus.tenant = '*'; SET statement_timeout = 0")
        for statement in definitions(width.interval, AHEAD):
            connection.execute(text(statement))
        given = connection.execute(_UPPER).scalar()
        upper = given or id_at(width.after_next(now or datetime.now(UTC)))
        for table in sorted(tables):
            if connection.execute(_KIND, {"name": table}).scalar_one() == "r":
                _partition(connection, table, upper)
                told(f"{table}: partitioned; all up to {instant_of(upper):%Y-%m-%d} stays in one part")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        set_limits(connection)
        made = connection.execute(text(f"SELECT {ADD}")).scalar_one()
        for statement in _granted(connection):
            connection.exec_driver_sql(statement)
    told(f"{made} partitions made for the time after it")


def _granted(connection: Connection) -> list[str]:
    """So that services which own nothing have partitions made and dropped."""
    quote = connection.dialect.identifier_preparer.quote
    return [
        statement
        for role in connection.execute(_SEEN_BY).scalars().all()
        for statement in grants(quote(role))
    ]


def _partition(connection: Connection, table: str, upper: str) -> None:
    """The constraint refuses what is to be written later on, so it must not outlive this."""
    forget = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {_CHECK}"
    check = f"ALTER TABLE {table} ADD CONSTRAINT {_CHECK} CHECK (run_id < '{upper}') NOT VALID"
    _briefly(connection, [forget, check])
    try:
        connection.exec_driver_sql(f"ALTER TABLE {table} VALIDATE CONSTRAINT {_CHECK}")
        _briefly(connection, _replacement(connection, table, upper))
    except BaseException:
        _briefly(connection, [forget])
        raise


def _replacement(connection: Connection, table: str, upper: str) -> list[str]:
    """What puts a partitioned table in the place of a table, and that into it."""
    first, rest = f"{table}{SEPARATOR}{FIRST}", f"{table}{SEPARATOR}{REST}"
    of_table = {"name": table}
    indexes = connection.execute(_INDEXES, of_table).all()
    triggers = connection.execute(_TRIGGERS, of_table).all()
    granted = connection.execute(_GRANTS, of_table).all()
    parted = f"LIKE {first} INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY RANGE (run_id"
    return [
        f"ALTER TABLE {table} RENAME TO {first}",
        *(f"ALTER INDEX {each.name} RENAME TO {each.name}{SEPARATOR}{FIRST}" for each in indexes),
        # Those of rows are handed on by the new table.
        *(f"DROP TRIGGER {each.tgname} ON {first}" for each in triggers if each.is_of_rows),
        f"CREATE TABLE {table} ({parted})",
        *(_made_again(table, each) for each in indexes),
        *(each.made for each in triggers if each.is_of_rows),
        f"SELECT protect_partition('{first}', '{table}')",  # which is a part of it now
        *(f"GRANT {each.privilege_type} ON {table} TO {each.grantee}" for each in granted),
        *(f"REVOKE ALL ON {first} FROM {each}" for each in sorted({each.grantee for each in granted})),
        f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ('{upper}')",
        f"ALTER TABLE {first} DROP CONSTRAINT {_CHECK}",
        f"SELECT make_partition('{table}', '{rest}', 'DEFAULT')",
    ]


def _made_again(table: str, index: Row[Any]) -> str:
    if index.constrains:
        return f"ALTER TABLE {table} ADD CONSTRAINT {index.name} {index.constrains}"
    return str(index.made)


def _briefly(connection: Connection, statements: Collection[str]) -> None:
    """In one transaction that does not wait for long, again and again until nobody is in the way."""
    script = "; ".join(("BEGIN", f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}", *statements, "COMMIT"))
    for left in reversed(range(_TRIES)):
        try:
            connection.exec_driver_sql(script)
        except OperationalError as error:
            connection.exec_driver_sql("ROLLBACK")
            if code_of(error) != LOCK_NOT_AVAILABLE or not left:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
