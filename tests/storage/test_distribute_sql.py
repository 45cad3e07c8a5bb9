"""deploy/citus/distribute.sql, run on a migrated PostgreSQL with stand-ins for what Citus adds to one.

They refuse what Citus is known to refuse: a table with triggers unless it is told to take them, a unique
index without the distribution column, a group that is not there. Whether a real one takes them is not shown.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from persistence_service.tables import DISTRIBUTED_TABLES, WHOLE_ON_EACH_SERVER
from tests.support import postgres

SQL = (Path(__file__).parents[2] / "deploy/citus/distribute.sql").read_text(encoding="utf-8")
STAND_INS = """
CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, partkey text, beside text);
CREATE FUNCTION run_command_on_workers(command text) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION refuse_triggers(name regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name AND NOT tgisinternal)
        AND current_setting('citus.enable_unsafe_triggers') <> 'on' THEN
        RAISE EXCEPTION 'cannot distribute relation "%" because it has triggers', name;
    END IF;
END $$;
CREATE FUNCTION create_reference_table(name regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM refuse_triggers(name);
    INSERT INTO pg_dist_partition VALUES (name);
END $$;
CREATE FUNCTION create_distributed_table(name regclass, given text, colocate_with text)
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM refuse_triggers(name);
    IF EXISTS (SELECT FROM pg_index WHERE indrelid = name AND indisunique AND NOT (
        SELECT attnum FROM pg_attribute WHERE attrelid = name AND attname = given) = ANY (indkey)) THEN
        RAISE EXCEPTION 'cannot create constraint on "%"', name;
    END IF;
    IF colocate_with <> 'none' AND NOT EXISTS (
        SELECT FROM pg_dist_partition WHERE logicalrelid = colocate_with::regclass) THEN
        RAISE EXCEPTION 'relation "%" is not distributed', colocate_with;
    END IF;
    INSERT INTO pg_dist_partition VALUES (name, given, colocate_with);
END $$;
"""


@pytest.fixture
def cluster(postgres_server: postgres.Server, postgres_template: str) -> Iterator[Any]:
    """A cursor on a migrated database with the stand-ins, as a superuser."""
    with (
        postgres_server.database(postgres_template) as url,
        closing(psycopg2.connect(postgres_server.as_admin(url))) as connection,
    ):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(STAND_INS)
            yield cursor


def distributed(cursor: Any) -> dict[str, str | None]:
    """The column by which each table is distributed; None: each server has it whole."""
    cursor.execute("SELECT logicalrelid::text, partkey FROM pg_dist_partition")
    return dict(cursor.fetchall())


def test_it_distributes_every_table_that_is_there(cluster: Any) -> None:
    cluster.execute(SQL)
    wanted: dict[str, str | None] = dict.fromkeys(DISTRIBUTED_TABLES, "tenant")
    assert distributed(cluster) == wanted | dict.fromkeys(WHOLE_ON_EACH_SERVER)


def test_it_leaves_what_a_later_session_needs_with_the_database(cluster: Any) -> None:
    cluster.execute(SQL)
    cluster.execute(
        "SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid "
        "WHERE datname = current_database()"
    )
    assert {row[0] for row in cluster.fetchall()} == {
        "citus.enable_unsafe_triggers=on",
        "citus.allow_nested_distributed_execution=on",
        "citus.propagate_set_commands=local",
    }


def test_run_again_it_distributes_what_is_new_alone(cluster: Any) -> None:
    cluster.execute(SQL)
    before = distributed(cluster)
    cluster.execute("DELETE FROM pg_dist_partition WHERE logicalrelid = 'usage'::regclass")
    cluster.execute(SQL)
    assert distributed(cluster) == before
