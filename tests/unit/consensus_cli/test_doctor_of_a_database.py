"""What `consensus doctor` says of the database, by what the persistence service answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from consensus.internal.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc
from consensus_rpc.server.options import ServerOptions
from consensus_rpc.server.server import Server
from consensus_rpc.telemetry.metrics import RpcMetrics
from tests.unit.consensus_cli.conftest import Command

SERVICE = "consensus.internal.v1.PersistenceService"


class Diagnostics(diagnostics_service_pb2_grpc.DiagnosticsServiceServicer):
    """Always answers the same."""

    def __init__(self, status: diagnostics_service_pb2.GetDatabaseStatusResponse) -> None:
        self._status = status

    async def GetDatabaseStatus(  # noqa: N802
        self, *_: object
    ) -> diagnostics_service_pb2.GetDatabaseStatusResponse:
        return self._status


@asynccontextmanager
async def serving(status: diagnostics_service_pb2.GetDatabaseStatusResponse) -> AsyncIterator[str]:
    """A persistence service of which only the database can be asked for; the address."""
    options = ServerOptions(listen="127.0.0.1:0", tune_gc=False)
    server = Server(options, service_names=[SERVICE], metrics=RpcMetrics(CollectorRegistry()))
    asked = Diagnostics(status)  # type: ignore[abstract]  # of its methods one is called
    diagnostics_service_pb2_grpc.add_DiagnosticsServiceServicer_to_server(asked, server.grpc)
    await server.start()
    await server.set_serving(SERVICE, True)
    try:
        yield server.address
    finally:
        await server.grpc.stop(None)


async def seen(
    command: Command, subject: str, status: diagnostics_service_pb2.GetDatabaseStatusResponse
) -> str:
    """The line about one thing."""
    async with serving(status) as address:
        ended = await command("doctor", "--server", "127.0.0.1:1", "--persistence", address)
    (line,) = [line for line in ended.out.splitlines() if line.split()[1:2] == [subject]]
    return line


@pytest.mark.parametrize(
    ("revision", "line"),
    [
        ("0025", "ok schema revision 0025, newest"),
        ("0026", "ok schema revision 0026, of a later release than the service's (0025), which serves on it"),
        ("0024", "FAILED schema revision 0024, this release expects 0025: run the migration"),
        ("", "FAILED schema revision none, this release expects 0025: run the migration"),
    ],
)
async def test_a_schema_is_to_be_migrated_only_where_it_is_older(
    command: Command, revision: str, line: str
) -> None:
    status = diagnostics_service_pb2.GetDatabaseStatusResponse(schema_revision=revision, schema_head="0025")
    assert " ".join((await seen(command, "schema", status)).split()) == line


@pytest.mark.parametrize(("in_use", "word"), [(1, "ok"), (5, "FAILED")])
async def test_who_waits_for_a_connection_is_a_fault_only_where_all_are_in_use(
    command: Command, in_use: int, word: str
) -> None:
    pool = diagnostics_service_pb2.PoolStatus(size=5, checked_out_count=in_use, waiting_count=1)
    status = diagnostics_service_pb2.GetDatabaseStatusResponse(pool=pool)
    assert (await seen(command, "connections", status)).startswith(word)
