"""The SQL that distributes the tables over the servers of a Citus cluster, made from the models."""

from persistence_service.tables import DISTRIBUTED_TABLES, WHOLE_ON_EACH_SERVER

FIRST = ("runs", "drafts")
"""The tables that triggers of others look at."""

HEAD = """\
-- Made by `make docs` from the models; never edited.
--
-- Distributes the tables over the servers of a Citus cluster: what grows with the work by tenant, the rest as
-- a copy on each. docs/operations.md ("Past one database") says when to run it, and what of it was tried. It
-- is run on the coordinator, by a superuser, after `migrate` and before the first service; again after a
-- migration that adds a table, which alone it then distributes.

-- Rows that are only ever added are guarded by triggers. Citus takes a table with triggers only if it is told
-- to: ours look at nothing but their row, and at the run or the draft of the same tenant, which is on the
-- same server. The latter is a query within a query on that server, which has to be allowed there.
-- Row-level security shows a session the rows of the tenant that it has set: each transaction sets it with
-- SET LOCAL (DB_DISTRIBUTED), and the servers that have the rows hear of it only if SET LOCAL is passed on.
DO $$
DECLARE
    setting text;
    command text;
BEGIN
    FOREACH setting IN ARRAY ARRAY[
        'citus.enable_unsafe_triggers = on',
        'citus.allow_nested_distributed_execution = on',
        'citus.propagate_set_commands = local'
    ] LOOP
        command := format('ALTER DATABASE %I SET ', current_database()) || setting;
        EXECUTE command;
        PERFORM run_command_on_workers(command);
    END LOOP;
END $$;
-- A database's settings are met by the sessions after this one.
SET citus.enable_unsafe_triggers = on;
SET citus.allow_nested_distributed_execution = on;
SET citus.propagate_set_commands = local;

-- Few rows, which are written seldom and read with nearly every call, of any tenant.
"""

MIDDLE = """
-- A tenant's rows of all these tables are on one server: each is distributed by `tenant`, in one group. The
-- first makes the group; runs and drafts come before the tables whose triggers look at them. No foreign key
-- stands between any two tables, and every key has the tenant in it.
"""

FOOT = """
-- Nothing is done with `schema_compatibility` and `alembic_version`, which say where the schema stands:
-- services and migrations read them on the coordinator.
"""


def distribute_sql() -> str:
    """Return deploy/citus/distribute.sql."""
    others = sorted(DISTRIBUTED_TABLES - set(FIRST))
    copied = [reference_table(name) for name in sorted(WHOLE_ON_EACH_SERVER)]
    distributed = [distributed_table(name) for name in (*FIRST, *others)]
    return "".join([HEAD, *copied, MIDDLE, *distributed, FOOT])


def reference_table(name: str) -> str:
    return f"SELECT create_reference_table('{name}')\n{unless_done(name)}"


def distributed_table(name: str) -> str:
    beside = "none" if name == FIRST[0] else FIRST[0]
    made = f"create_distributed_table('{name}', 'tenant', colocate_with => '{beside}')"
    return f"SELECT {made}\n{unless_done(name)}"


def unless_done(name: str) -> str:
    return f"    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = '{name}'::regclass);\n"
