"""The persistence service as a process: its commands, its start before its database, its end."""

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psycopg2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, text

from consensus.internal.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc
from persistence_service.database.migrating import head_revision
from persistence_service.servicers import SERVICES
from persistence_service.serving import INTERNAL_SERVICES
from tests.support import postgres
from tests.support.processes import Process, clean_environment, run_command, start_process, wait_started

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "consensus.internal.v1.PersistenceService"
WAIT = 30.0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        *arguments, environment=clean_environment(**environment), package="persistence_service"
    )


def start(folder: Path, url: str, **settings: str) -> Process:
    environment = clean_environment(DATABASE_URL=url, PERSISTENCE_LISTEN="127.0.0.1:0", **settings)
    return start_process("persistence_service", folder, environment)


def health(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its types know no methods
        return int(stub.Check(request, timeout=5).status)


def wait_for_health(address: str, wanted: int) -> None:
    deadline = time.monotonic() + WAIT
    while health(address) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_migrate_makes_the_schema_and_may_be_repeated(url: str) -> None:
    for _ in range(2):
        done = command("migrate", DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
        assert f"schema at revision {head_revision()}" in done.stdout


def mark_newer(url: str, oldest_release: str) -> None:
    """As a later release would leave the schema."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL consensus.tenant = '*'"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
        oldest = text("UPDATE schema_compatibility SET oldest_release = :release")
        connection.execute(oldest, {"release": oldest_release})
    engine.dispose()


def test_migrate_leaves_the_schema_of_a_later_release_as_it_is(url: str) -> None:
    command("migrate", DATABASE_URL=url)
    mark_newer(url, "0.0.9")
    done = command("migrate", DATABASE_URL=url)
    assert done.returncode == 0, "a unit or job of the release before must not hold up the way back"
    assert "schema at revision later, of a later release; left as it is" in done.stdout


def test_migrate_refuses_a_schema_that_needs_a_later_release_in_one_line(url: str) -> None:
    command("migrate", DATABASE_URL=url)
    mark_newer(url, "99.10.0")
    done = command("migrate", DATABASE_URL=url)
    assert done.returncode == 1
    assert "revision later, which needs release 99.10.0 or later" in done.stderr
    assert "Traceback" not in done.stderr


def name_of(url: str) -> str:
    return Path(urlsplit(url).path).stem


def test_db_reset_without_the_right_name_changes_nothing(url: str) -> None:
    command("migrate", DATABASE_URL=url)
    refused = command("db-reset", "--confirm", "another", DATABASE_URL=url)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"the database is '{name_of(url)}', not 'another': nothing was changed" in refused.stderr


def test_db_reset_with_the_name_leaves_an_empty_schema_at_head_and_lists_its_tables(url: str) -> None:
    command("migrate", DATABASE_URL=url)
    done = command("db-reset", "--confirm", name_of(url), DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    assert {"  runs", "  journal", "  decisions"} <= set(done.stdout.splitlines())


def test_db_reset_of_a_file_in_use_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    process = start(tmp_path, url)
    try:
        wait_for_health(wait_started(process), SERVING)
        refused = command("db-reset", "--confirm", "shop", DATABASE_URL=url)
        assert refused.returncode == 1
        assert f"in use by another persistence process (process id {process.pid})" in refused.stderr
    finally:
        process.stop()


async def test_callers_and_review_services_have_an_address_each(tmp_path: Path) -> None:
    process = start(tmp_path, f"sqlite:///{tmp_path}/shop.db")
    try:
        wait_for_health(await asyncio.to_thread(wait_started, process), SERVING)
        wait_for_health(process.internal_address, SERVING)
        for address, names in ((process.address, SERVICES), (process.internal_address, INTERNAL_SERVICES)):
            for service, method in methods():
                ended = await end_of(address, f"/{service}/{method}")
                assert (ended is grpc.StatusCode.UNIMPLEMENTED) == (service not in names), (address, method)
    finally:
        process.stop()


def methods() -> list[tuple[str, str]]:
    """A method of each service of persistence."""
    found = []
    for name in (*SERVICES, *INTERNAL_SERVICES):
        package, _, service = name.rpartition(".")
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", service).lower()
        described = import_module(f"{package}.{module}_pb2").DESCRIPTOR.services_by_name[service]
        found.append((name, described.methods[0].name))
    return found


async def end_of(address: str, path: str) -> grpc.StatusCode:
    """The code of a call that sends nothing: what a message meets that comes after the answer, gRPC's client
    calls INTERNAL.
    """
    async with grpc.aio.insecure_channel(address) as channel:
        method: Any = channel.stream_stream(path)
        return grpc.StatusCode(await method(iter([]), timeout=10).code())


def test_it_serves_and_ends_with_zero_after_a_signal(url: str, tmp_path: Path) -> None:
    process = start(tmp_path, url)
    try:
        address = wait_started(process)
        wait_for_health(address, SERVING)
        with grpc.insecure_channel(address) as channel:
            status = diagnostics_service_pb2_grpc.DiagnosticsServiceStub(channel).GetDatabaseStatus(
                diagnostics_service_pb2.GetDatabaseStatusRequest(), timeout=10
            )
        assert status.schema_revision == status.schema_head == head_revision()
    finally:
        code = process.stop()
    assert code == 0, process.logged()


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.Cluster() as cluster:
        yield cluster


def test_it_starts_before_its_database_serves_once_that_is_there_and_leaves_no_connection(
    cluster: postgres.Cluster, tmp_path: Path
) -> None:
    url = cluster.create_database()
    cluster.stop()
    process = start(tmp_path, url)
    try:
        address = wait_started(process)
        assert health(address) == NOT_SERVING
        cluster.start()
        wait_for_health(address, SERVING)
        cluster.stop("immediate")
        wait_for_health(address, NOT_SERVING)
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refusal:
            diagnostics_service_pb2_grpc.DiagnosticsServiceStub(channel).GetDatabaseStatus(
                diagnostics_service_pb2.GetDatabaseStatusRequest(), timeout=10
            )
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        cluster.start()
        wait_for_health(address, SERVING)
    finally:
        code = process.stop()
    assert code == 0, process.logged()
    with closing(psycopg2.connect(cluster.admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'consensus%'")
        assert cursor.fetchone() == (0,)


def test_it_may_be_stopped_while_it_waits_for_its_database(tmp_path: Path) -> None:
    process = start(tmp_path, "postgresql://postgres@127.0.0.1:9/none")
    try:
        address = wait_started(process)
        assert health(address) == NOT_SERVING
    finally:
        code = process.stop()
    assert code == 0, process.logged()


def test_a_database_that_it_must_not_use_ends_it_with_the_reason(tmp_path: Path) -> None:
    process = start(tmp_path, f"sqlite:///{tmp_path}/shop.db", DB_AUTO_MIGRATE="false")
    assert process.popen.wait(WAIT) == 1
    assert "Run: python -m persistence_service migrate" in process.logged()


def test_a_bad_setting_ends_it_with_its_name_and_what_is_allowed() -> None:
    done = command(DATABASE_URL="mysql://u:sesame@h/n", DB_POOL_SIZE="0")
    assert done.returncode == 2
    assert "sqlite:///path, or postgresql://user:password@host:port/name" in done.stderr
    assert "DB_POOL_SIZE: given '0'; allowed: a whole number, from 1 to 100" in done.stderr
    assert "sesame" not in done.stderr
