"""PostgreSQL shows no session the rows of a tenant that it has not set, whatever it asks for."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from consensus.internal.v1 import persistence_service_pb2
from persistence_service.database import EVERY_TENANT, Connection, Database, StartRefused, normalise_url
from persistence_service.database.roles import grant_rights
from persistence_service.diagnostics.repository import size_bytes
from persistence_service.tables import REMOVED, RIGHTS, metadata
from persistence_service.webhooks import repository as webhooks
from tests.storage.conftest import QUICK, options_for
from tests.storage.test_purging import purge
from tests.support import postgres
from tests.support.deletion import delete, finished, listed
from tests.support.drafts import Drafts
from tests.support.records import Service, attempt, new_id, scope
from tests.support.rows import any_row

TABLES = sorted(metadata.tables)
OF_TENANTS = [name for name in TABLES if "tenant" in metadata.tables[name].columns]
TENANTS = ("acme", "globex")
CHECKS = text(
    "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint "
    "WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
)
PROTECTED = text(
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity AND relforcerowsecurity "
    "AND NOT relispartition "
    "AND relnamespace = 'public'::regnamespace ORDER BY relname COLLATE \"C\""
)
SET_TENANT = text("SELECT set_config('consensus.tenant', :tenant, true)")


@contextmanager
def session(url: str, tenant: str | None = None, role: str = "") -> Iterator[Connection]:
    """A transaction that is rolled back."""
    with create_engine(normalise_url(url), poolclass=NullPool).connect() as connection:
        if role:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        if tenant is not None:
            connection.execute(SET_TENANT, {"tenant": tenant})
        yield connection


@dataclass(frozen=True, slots=True)
class Roles:
    """A migrated database, and the roles that serve it."""

    url: str
    service: str
    writer: str

    @property
    def service_url(self) -> str:
        """The database, as the service connects to it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{self.service}@127.0.0.1:{parts.port}").geturl()


@contextmanager
def served_by_roles(server: postgres.Server, template: str) -> Iterator[Roles]:
    """A database whose owner has granted what a service and a writer need to roles of its own."""
    with server.database(template) as url:
        suffix = uuid.uuid4().hex
        roles = Roles(url, f"service_{suffix}", f"writer_{suffix}")
        with closing(psycopg2.connect(server.as_admin(url))) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {roles.service} LOGIN NOINHERIT; CREATE ROLE {roles.writer}")
            cursor.execute(f"GRANT {roles.writer} TO {roles.service}")
            place = urlsplit(url).path.lstrip("/")
            cursor.execute(
                f"REVOKE ALL ON DATABASE {place} FROM PUBLIC; "
                f"GRANT CONNECT, TEMPORARY ON DATABASE {place} TO {roles.service}, {roles.writer}"
            )
            connection.commit()
            owner = create_engine(normalise_url(url), poolclass=NullPool)
            grant_rights(owner, roles.service, roles.writer, RIGHTS, REMOVED)
            yield roles
            for role in (roles.service, roles.writer):
                cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
            connection.commit()


@pytest.fixture(scope="module")
def roles(postgres_server: postgres.Server, postgres_template: str) -> Iterator[Roles]:
    """With a row of each tenant in each table, of which nothing but the tenant makes sense."""
    with served_by_roles(postgres_server, postgres_template) as roles:
        with session(postgres_server.as_admin(roles.url)) as connection:
            connection.exec_driver_sql(
                "SET session_replication_role = replica"
            )  # no triggers, no foreign keys
            for statement in connection.execute(CHECKS).scalars().all():
                connection.exec_driver_sql(statement)
            for table in TABLES:
                for tenant in TENANTS:
                    add(connection, table, tenant)
            connection.commit()
        yield roles


def add(connection: Connection, name: str, tenant: str) -> None:
    """Adds a tenant's row; to a table that belongs to nobody, another row."""
    table = metadata.tables[name]
    own = {each: tenant for each in ("tenant", "key_id", "purpose") if each in table.columns}
    row = any_row(table, **own)
    if name != "schema_compatibility":  # which has its one row
        connection.execute(table.insert().values(row))


def counts(connection: Connection, tables: Sequence[str], where: str = "true") -> dict[str, int]:
    """How many rows are seen, by table, without those of which none."""
    found = {
        table: connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {where}").scalar_one()
        for table in tables
    }
    return {table: count for table, count in found.items() if count}


def test_every_table_is_under_row_security_its_owner_too(roles: Roles) -> None:
    """A new table without a policy of its own fails this."""
    with session(roles.url) as connection:
        assert connection.execute(PROTECTED).scalars().all() == TABLES


@pytest.mark.parametrize("tenant", [None, "", "initech", EVERY_TENANT])
def test_without_its_tenant_set_the_service_sees_no_row_of_any_table(
    roles: Roles, tenant: str | None
) -> None:
    """Nor is the way to see all tenants open to it: that is the writer's."""
    with session(roles.service_url, tenant) as connection:
        assert counts(connection, [*TABLES, "audit_log"]) == {}


def test_the_owner_sees_none_either(roles: Roles) -> None:
    with session(roles.url) as connection:
        assert counts(connection, [*TABLES, "audit_log"]) == {}


def test_with_a_tenant_set_its_rows_are_seen_and_no_others(roles: Roles) -> None:
    with session(roles.service_url, "acme") as connection:
        assert counts(connection, TABLES) == dict.fromkeys(OF_TENANTS, 1)
        assert counts(connection, OF_TENANTS, "tenant <> 'acme'") == {}


def test_the_writer_sees_all(roles: Roles) -> None:
    with session(roles.service_url, EVERY_TENANT, roles.writer) as connection:
        found = counts(connection, TABLES)
    assert {name: found.get(name) for name in OF_TENANTS} == dict.fromkeys(OF_TENANTS, 2)
    assert found.keys() == set(TABLES)


def test_no_row_is_written_for_another_tenant(roles: Roles, subtests: pytest.Subtests) -> None:
    for table in OF_TENANTS:
        with (
            subtests.test(table),
            session(roles.service_url, "acme") as connection,
            pytest.raises(ProgrammingError, match="violates row-level security policy"),
        ):
            add(connection, table, "initech")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET stream = 'x'",
        "DELETE FROM journal",
        "TRUNCATE journal",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE runs DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_tenant ON runs",
        "ALTER TABLE journal DISABLE TRIGGER ALL",
        "DROP TABLE metrics",
        "UPDATE schema_compatibility SET oldest_release = '0'",
    ],
)
def test_neither_changes_the_audit_trail_or_the_schema(roles: Roles, statement: str) -> None:
    for role in ("", roles.writer):
        with (
            session(roles.service_url, EVERY_TENANT, role) as connection,
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        ):
            connection.exec_driver_sql(statement)


def test_the_service_deletes_nothing_by_itself_but_who_takes_part_in_a_draft(roles: Roles) -> None:
    for table in set(TABLES) - {"draft_members"}:
        with (
            session(roles.service_url, "acme") as connection,
            pytest.raises(ProgrammingError, match="permission denied"),
        ):
            connection.exec_driver_sql(f"DELETE FROM {table}")


async def test_the_service_works_with_roles_that_own_nothing(
    postgres_server: postgres.Server, postgres_template: str
) -> None:
    """A run and a draft from their beginning until they are purged."""
    with served_by_roles(postgres_server, postgres_template) as roles:
        database = served(roles)
        database.open()
        try:
            telling = replace(QUICK, tells_ends=True)
            async with Service(database, telling) as service, Drafts(database) as drafts:
                run_id, draft = await finished(service), await drafts.create(first_segment="words")
                assert await listed(service) == [run_id]
                await drafts.add(draft.draft_id, "ben")
                await drafts.call(
                    "RemoveCollaborator", draft_id=draft.draft_id, user="ann", collaborator="ben"
                )
                await delete(service, run_id)
                await drafts.call("DeleteDraft", draft_id=draft.draft_id, user="ann")
                expanded = persistence_service_pb2.RecordExpansionRequest(
                    scope=scope(), expansion_id=new_id(), attempts=[attempt("expand")]
                )
                await service.stub.RecordExpansion(expanded)
                await give_up(database)
                gone = await purge(database, 31, run_days=30)
                assert gone == {"runs": 1, "drafts": 1, "expansions": 1, "webhook_deliveries": 1}
                size = await database.run(size_bytes, tenant=EVERY_TENANT, read_only=True)
                assert size > 0
        finally:
            database.close()


async def give_up(database: Database) -> None:
    """All webhooks that wait, with an entry in the audit trail for each."""

    def unit(connection: Connection) -> None:
        held = webhooks.hold_due(connection, database.now, timedelta(minutes=1), 8)
        webhooks.settle(connection, database.now, [webhooks.Settlement(each, "status 410") for each in held])

    await database.run(unit, tenant=EVERY_TENANT, isolation="READ COMMITTED")


def served(roles: Roles, **changed: Any) -> Database:
    """What the service opens."""
    options = replace(options_for(roles.service_url), auto_migrate=False, writer_role=roles.writer)
    return Database(replace(options, **changed), RIGHTS)


@pytest.mark.parametrize(
    ("writer", "said"),
    [
        ("", "one tenant at a time alone: DB_WRITER_ROLE"),
        ("nobody_such", 'begins with: role "nobody_such" does not exist'),
    ],
)
def test_a_service_without_the_writers_role_is_refused(roles: Roles, writer: str, said: str) -> None:
    database = served(roles, writer_role=writer)
    with pytest.raises(StartRefused, match=said):
        database.open()
    database.close()


def test_a_right_that_the_service_lacks_and_the_writer_has_is_named(
    postgres_server: postgres.Server, postgres_template: str
) -> None:
    with served_by_roles(postgres_server, postgres_template) as roles:
        with session(roles.url) as connection:
            connection.exec_driver_sql(f"REVOKE INSERT ON events FROM {roles.service}")
            connection.commit()
        database = served(roles)
        with pytest.raises(StartRefused, match="no INSERT on events"):
            database.open()
        database.close()


def test_no_rights_are_granted_to_who_sees_all_tenants_anyway(
    postgres_server: postgres.Server, postgres_template: str
) -> None:
    with served_by_roles(postgres_server, postgres_template) as roles:
        with session(postgres_server.as_admin(roles.url)) as connection:
            connection.exec_driver_sql(
                f"ALTER ROLE {roles.service} INHERIT; "
                f"REVOKE {roles.writer} FROM {roles.service}; GRANT {roles.writer} TO {roles.service}"
            )
            connection.commit()
        owner = create_engine(normalise_url(roles.url), poolclass=NullPool)
        with pytest.raises(ValueError, match="NOINHERIT"):
            grant_rights(owner, roles.service, roles.writer, RIGHTS, REMOVED)


async def test_a_unit_of_work_sees_the_tenant_that_it_names(
    postgres_server: postgres.Server, postgres_template: str
) -> None:
    """The owner's do too, where nobody has made roles."""

    def add(connection: Connection) -> None:
        for tenant in TENANTS:
            connection.exec_driver_sql(f"INSERT INTO panels SELECT '{tenant}', 'p', 'r', now(), NULL").close()

    def see(connection: Connection) -> list[str]:
        return list(connection.exec_driver_sql("SELECT tenant FROM panels ORDER BY 1").scalars())

    with postgres_server.database(postgres_template) as url:
        database = Database(options_for(url))
        database.open()
        own = database.dedicated()
        try:
            await database.run(add, tenant=EVERY_TENANT)
            assert await database.run(see, tenant="acme", read_only=True) == ["acme"]
            assert await database.run(see, tenant="initech", read_only=True) == []
            assert await database.run(see, tenant=EVERY_TENANT, read_only=True) == [*TENANTS]
            assert database.unit_of_work(see, read_only=True) == [*TENANTS]
            assert own.unit_of_work(see, read_only=True) == [*TENANTS]
            with pytest.raises(ValueError, match="for a tenant"):
                await database.run(see, tenant="", read_only=True)
        finally:
            own.close()
            database.close()
