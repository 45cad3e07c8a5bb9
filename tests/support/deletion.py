"""What tests of deletion ask of a service: delete, restore, read what is deleted, prove the trail."""

from typing import Any

from sqlalchemy import Connection, func, select

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, audit_service_pb2, audit_service_pb2_grpc, panel_pb2, run_pb2
from consensus_rpc.channel.status import contract_errors
from persistence_service import tables
from persistence_service.audit import repository
from persistence_service.audit.servicer import AuditServicer
from persistence_service.database import Database
from persistence_service.paging.tokens import Signing
from tests.support.records import Service, scope
from tests.support.serving import served


async def call(service: Service, method: str, **fields: Any) -> Any:
    """The answer of a method of PersistenceService; refusals as the contract's errors."""
    request = getattr(persistence_service_pb2, f"{method}Request")(**({"scope": scope()} | fields))
    with contract_errors():
        return await getattr(service.stub, method)(request)


async def delete(service: Service, run_id: str, **fields: Any) -> run_pb2.Run:
    run: run_pb2.Run = (await call(service, "DeleteRun", run_id=run_id, **fields)).run
    return run


async def undelete(service: Service, run_id: str, **fields: Any) -> run_pb2.Run:
    run: run_pb2.Run = (await call(service, "UndeleteRun", run_id=run_id, **fields)).run
    return run


async def get(service: Service, run_id: str, *, show_deleted: bool = True) -> run_pb2.Run:
    run: run_pb2.Run = (await call(service, "GetRun", run_id=run_id, show_deleted=show_deleted)).run
    return run


async def listed(service: Service, *, show_deleted: bool = False) -> list[str]:
    """The ids of all runs, newest first, two to a page."""
    found: list[str] = []
    token = ""
    while True:
        page = await call(service, "ListRuns", page_size=2, page_token=token, show_deleted=show_deleted)
        found.extend(run.run_id for run in page.runs)
        if not (token := page.next_page_token):
            return found


async def exported(service: Service, *, show_deleted: bool = False) -> list[str]:
    """The ids of all runs, newest first."""
    request = persistence_service_pb2.ExportRunsRequest(scope=scope(), show_deleted=show_deleted)
    with contract_errors():
        return [answer.run.run_id async for answer in service.stub.ExportRuns(request)]


async def attempts(service: Service, run_id: str, *, show_deleted: bool) -> list[attempt_pb2.Attempt]:
    answer = await call(service, "ListAttempts", run_id=run_id, show_deleted=show_deleted)
    return list(answer.attempts)


async def reviews(service: Service, run_id: str, *, show_deleted: bool) -> list[panel_pb2.PersonaReview]:
    answer = await call(service, "ListPersonaReviews", run_id=run_id, show_deleted=show_deleted)
    return list(answer.persona_reviews)


async def event_kinds(service: Service, run_id: str, *, show_deleted: bool = False) -> list[str]:
    """The kinds of the run's events, to the end of its journal."""
    request = persistence_service_pb2.WatchRunRequest(scope=scope(), run_id=run_id, show_deleted=show_deleted)
    with contract_errors():
        events = [event async for message in service.stub.WatchRun(request) for event in message.events]
    return [str(event.WhichOneof("payload")) for event in events]


async def finished(service: Service, **begin: Any) -> str:
    """A run that has a decision."""
    async with service.created(**begin) as worker:
        await worker.finish()
        return worker.run_id


def row_counts(database: Database, key: str, value: str) -> dict[str, int]:
    """How many rows each table has that belong to a run or a draft; `key` is the column."""

    def count(connection: Connection) -> dict[str, int]:
        concerned = {name: table for name, table in tables.metadata.tables.items() if key in table.c}
        concerned.pop("events", None)
        concerned.pop("idempotency_keys", None)
        concerned.pop("usage", None)  # what was spent stays
        return {
            name: connection.scalar(select(func.count()).select_from(table).where(table.c[key] == value)) or 0
            for name, table in concerned.items()
        }

    return database.unit_of_work(count, read_only=True)


def entries(database: Database, stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of a stream's entries."""
    found = database.unit_of_work(
        lambda connection: repository.stream(connection, "default", stream), read_only=True
    )
    return [(entry.event_type, dict(entry.data)) for each in found for entry in each.entries]


async def flaws(database: Database) -> list[str]:
    """What the audit trail's own service finds wrong with it."""
    servicer = AuditServicer(database, Signing(database), None)
    async with served(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, servicer) as channel:
        with contract_errors():
            messages = [
                m
                async for m in audit_service_pb2_grpc.AuditServiceStub(channel).VerifyAudit(
                    audit_service_pb2.VerifyAuditRequest()
                )
            ]
    verdict = messages[-1].verdict
    assert verdict.entry_count > 0
    return [str(finding) for finding in verdict.findings]
