"""What PostgreSQL itself does to partitions of runs: making them ahead of time, dropping those of no run.

The functions act as the owner of the tables, for a service whose role owns none. They take nothing that could
ask for more: what is made follows from the newest partition and the clock, and what is dropped holds rows of
no run that stands. One works at a time, and none while the schema is changed.
"""

from datetime import timedelta

from persistence_service.database.migrating import ADVISORY_LOCK

VIEW = "run_partitions"
"""Which spans of ids have a partition, by table."""
ADD = "add_run_partitions()"
DROP = "drop_run_partition()"
FIRST, REST = "first", "rest"
"""How the names end of the partition that was the whole table, and of that which takes what fits in none."""

GRACE = timedelta(days=1)
"""A partition is not dropped before: somewhere a clock may be behind."""

_AS_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"

# The first characters of every id (UUIDv7) that is made from an instant on; and the instant again.
_ID_AT = """
CREATE OR REPLACE FUNCTION run_id_at(instant timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(digits, 8) || '-' || right(digits, 4)
    FROM lpad(to_hex(floor(extract(epoch FROM instant) * 1000)::bigint), 12, '0') AS digits
$$
"""
_INSTANT_OF = """
CREATE OR REPLACE FUNCTION instant_of_run_id(id text) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT to_timestamp(('x0000' || replace(left(id, 13), '-', ''))::bit(64)::bigint / 1000.0)
$$
"""

_VIEW = r"""
CREATE OR REPLACE VIEW run_partitions WITH (security_invoker = true) AS
    SELECT parent.relname::text AS table_name, part.relname::text AS partition_name,
        substring(bound FROM $$FROM \('([^']*)'\)$$) AS lower_id,
        substring(bound FROM $$TO \('([^']*)'\)$$) AS upper_id
    FROM pg_inherits JOIN pg_class parent ON parent.oid = inhparent AND parent.relkind = 'p'
        JOIN pg_class part ON part.oid = inhrelid, pg_get_expr(part.relpartbound, part.oid) AS bound
    WHERE parent.relnamespace = 'public'::regnamespace AND bound <> 'DEFAULT'
"""

# Policies, and triggers of statements, are not handed on to partitions by PostgreSQL.
_PROTECT = r"""
CREATE OR REPLACE FUNCTION protect_partition(parent text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE statement text;
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    FOR statement IN
        SELECT format('CREATE POLICY %I ON %I TO %s USING (%s)', policyname, name,
            (SELECT string_agg(CASE each WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(each) END, ', ')
             FROM unnest(roles) AS each), qual)
        FROM pg_policies WHERE schemaname = 'public' AND tablename = parent
        UNION ALL
        SELECT regexp_replace(pg_get_triggerdef(oid), ' ON \S+ ', format(' ON %I ', name))
        FROM pg_trigger WHERE tgrelid = parent::regclass AND NOT tgisinternal AND tgtype & 1 = 0
    LOOP
        EXECUTE statement;
    END LOOP;
END $$
"""

# Attached, and not made as a part: that would lock out whoever reads the table.
_MAKE = """
CREATE OR REPLACE FUNCTION make_partition(parent text, name text, bounds text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', name, parent);
    PERFORM protect_partition(parent, name);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I %s', parent, name, bounds);
END $$
"""

# A span of which rows have gone to the rest already gets no partition: they stay there.
_ADD = """
CREATE OR REPLACE FUNCTION {add} RETURNS integer {as_owner} AS $$
DECLARE newest record; begin_time timestamptz; end_time timestamptz; made integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock({lock}) THEN
        RETURN 0;
    END IF;
    PERFORM drop_unfinished_checks();
    FOR newest IN
        SELECT table_name, max(upper_id COLLATE "C") AS upper_id FROM run_partitions GROUP BY 1 ORDER BY 1
    LOOP
        begin_time := instant_of_run_id(newest.upper_id);
        WHILE begin_time < clock_timestamp() + {ahead} * interval '{width}' LOOP
            end_time := (begin_time AT TIME ZONE 'UTC' + interval '{width}') AT TIME ZONE 'UTC';
            BEGIN
                PERFORM make_partition(newest.table_name,
                    newest.table_name || '__' || to_char(begin_time AT TIME ZONE 'UTC', 'YYYYMMDD'),
                    format('FOR VALUES FROM (%L) TO (%L)', run_id_at(begin_time), run_id_at(end_time)));
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'rows of % from % on are in the rest already', newest.table_name, begin_time;
            END;
            begin_time := end_time;
        END LOOP;
    END LOOP;
    RETURN made;
END $$
"""

# Left by whoever was to partition a table and was killed: it would refuse what is written later on.
_DROP_CHECKS = """
CREATE OR REPLACE FUNCTION drop_unfinished_checks() RETURNS void LANGUAGE plpgsql AS $$
DECLARE unfinished regclass;
BEGIN
    FOR unfinished IN SELECT conrelid FROM pg_constraint
        WHERE conname = 'ck_run_id_first' AND contype = 'c' AND connamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT ck_run_id_first', unfinished);
    END LOOP;
END $$
"""

# Tenant by tenant, each a look into the primary key: no index begins with the id alone.
_RUN_STANDS = """
CREATE OR REPLACE FUNCTION run_stands(lower_id text, upper_id text) RETURNS boolean LANGUAGE sql AS $$
    WITH RECURSIVE tenants (tenant) AS (
        (SELECT tenant FROM runs ORDER BY tenant LIMIT 1)
        UNION ALL
        SELECT (SELECT runs.tenant FROM runs WHERE runs.tenant > tenants.tenant ORDER BY runs.tenant LIMIT 1)
        FROM tenants WHERE tenants.tenant IS NOT NULL
    )
    SELECT EXISTS (
        SELECT FROM tenants CROSS JOIN LATERAL (
            SELECT FROM runs WHERE runs.tenant = tenants.tenant AND run_id >= lower_id AND run_id < upper_id
            LIMIT 1
        ) AS found
    )
$$
"""

_DROP = """
CREATE OR REPLACE FUNCTION {drop} RETURNS integer {as_owner} AS $$
DECLARE
    span record; old record; dropped integer := 0; tenant text := current_setting('consensus.tenant', true);
BEGIN
    IF NOT pg_try_advisory_xact_lock({lock}) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('consensus.tenant', '*', true);
    FOR span IN SELECT DISTINCT coalesce(lower_id, '') AS lower_id, upper_id FROM run_partitions
        WHERE upper_id COLLATE "C" <= run_id_at(clock_timestamp() - interval '{grace}') ORDER BY 2
    LOOP
        CONTINUE WHEN run_stands(span.lower_id, span.upper_id);
        SELECT * INTO old FROM run_partitions WHERE upper_id = span.upper_id ORDER BY table_name LIMIT 1;
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', old.table_name);
        CONTINUE WHEN run_stands(span.lower_id, span.upper_id);
        EXECUTE format('DROP TABLE %I', old.partition_name);
        dropped := 1;
        EXIT;
    END LOOP;
    PERFORM set_config('consensus.tenant', coalesce(tenant, ''), true);
    RETURN dropped;
END $$
"""


def definitions(width: str, ahead: int) -> list[str]:
    """The statements that make all of it; `width` is PostgreSQL's name for a span of time."""
    about = {
        "add": ADD, "drop": DROP, "as_owner": _AS_OWNER, "lock": ADVISORY_LOCK,
        "width": width, "ahead": ahead, "grace": f"{GRACE.days} days",
    }  # fmt: skip
    return [
        *(_ID_AT, _INSTANT_OF, _VIEW, _PROTECT, _MAKE, _DROP_CHECKS, _RUN_STANDS),
        *(_ADD.format(**about), _DROP.format(**about)),
        *(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC" for name in (ADD, DROP)),
    ]
