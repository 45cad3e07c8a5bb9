"""AuditService: who changed what, when, and the proof that nobody changed the answer."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from consensus.v1 import audit_service_pb2, audit_service_pb2_grpc
from consensus_contract.errors import AuditCheckpointsOff
from consensus_journal import Checkpoint, Verification
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import identity_of
from persistence_service.audit import convert, payloads, repository
from persistence_service.audit.checkpoints import Checkpointer
from persistence_service.audit.repository import AuditedStream, Position
from persistence_service.database import Connection, Database
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import from_microseconds

_STREAMS_AT_ONCE = 100


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Reads the journal of the caller's tenant; each stream is read whole, from one snapshot.

    Lists may come from a replica. What proves something, exports too, does not: a checkpoint would speak of
    entries that are not there yet.
    """

    def __init__(self, database: Database, signing: Signing, checkpointer: Checkpointer | None) -> None:
        self._database = database
        self._signing = signing
        self._checkpointer = checkpointer

    async def ListAuditEntries(
        self, request: audit_service_pb2.ListAuditEntriesRequest, context: Context
    ) -> audit_service_pb2.ListAuditEntriesResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["audit", tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.filter_from_proto(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        entries = await self._database.run(
            lambda connection: repository.page(connection, tenant, wanted, after, size + 1),
            tenant=tenant,
            read_only=True,
            resource="audit log",
            may_be_stale=True,
        )
        response = audit_service_pb2.ListAuditEntriesResponse(
            entries=map(convert.entry_to_proto, entries[:size])
        )
        if len(entries) > size:
            last = entries[size - 1]
            position = [last.event_time_us, last.stream, last.sequence]
            response.next_page_token = signer.token(binding, position)
        return response

    async def VerifyAudit(
        self, request: audit_service_pb2.VerifyAuditRequest, context: Context
    ) -> AsyncIterator[audit_service_pb2.VerifyAuditResponse]:
        tenant = identity_of(context).tenant
        verification = Verification(
            await self._checkpoints(),
            public_key=self._checkpointer.public_key if self._checkpointer else None,
            concerns=lambda of_tenant, stream: of_tenant == tenant and request.stream in {"", stream},
        )
        async for streams in self._streams(tenant, request.stream, with_stored=True):
            await asyncio.to_thread(_check, verification, streams)
            yield audit_service_pb2.VerifyAuditResponse(
                progress=audit_service_pb2.AuditProgress(
                    stream_count=verification.stream_count, entry_count=verification.entry_count
                )
            )
        yield audit_service_pb2.VerifyAuditResponse(verdict=convert.verdict_to_proto(verification.verdict()))

    async def ExportAudit(
        self, request: audit_service_pb2.ExportAuditRequest, context: Context
    ) -> AsyncIterator[audit_service_pb2.ExportAuditResponse]:
        tenant = identity_of(context).tenant
        # Read first: one that is taken meanwhile would speak of entries that are not in the export.
        checkpoints = () if request.stream else await self._checkpoints()
        async for streams in self._streams(tenant, request.stream):
            for stream in streams:
                if stream.head is not None:
                    yield audit_service_pb2.ExportAuditResponse(head=convert.head_to_proto(stream.head))
                for entry in stream.entries:
                    yield audit_service_pb2.ExportAuditResponse(entry=convert.entry_to_proto(entry))
        for checkpoint in checkpoints:
            # One that names other tenants' streams is theirs too, and cannot be shown in part.
            if all(head.tenant == tenant for head in checkpoint.heads):
                yield audit_service_pb2.ExportAuditResponse(
                    checkpoint=convert.checkpoint_to_proto(checkpoint)
                )

    async def GetAuditCheckpoint(
        self,
        request: audit_service_pb2.GetAuditCheckpointRequest,  # noqa: ARG002 - has no fields
        context: Context,  # noqa: ARG002 - checkpoints are the service's, not a tenant's
    ) -> audit_service_pb2.GetAuditCheckpointResponse:
        if self._checkpointer is None:
            raise AuditCheckpointsOff
        checkpoint = await self._checkpointer.take()
        return audit_service_pb2.GetAuditCheckpointResponse(
            checkpoint=convert.checkpoint_to_proto(checkpoint)
        )

    async def _checkpoints(self) -> Sequence[Checkpoint]:
        return await self._checkpointer.checkpoints() if self._checkpointer else ()

    async def _streams(
        self, tenant: str, only: str, *, with_stored: bool = False
    ) -> AsyncIterator[list[AuditedStream]]:
        async def read(unit: Callable[[Connection], list[AuditedStream]]) -> list[AuditedStream]:
            def found(connection: Connection) -> list[AuditedStream]:
                streams = unit(connection)
                return payloads.with_stored(connection, streams) if with_stored else streams

            return await self._database.run(found, tenant=tenant, read_only=True, resource="audit log")

        if only:
            yield await read(lambda connection: repository.stream(connection, tenant, only))
            return
        after = ""
        while streams := await read(_next_streams(tenant, after)):
            yield streams
            after = streams[-1].stream
        yield await read(lambda connection: repository.headless_streams(connection, tenant))


def _position(parts: list[Any]) -> Position:
    event_time_us, stream, sequence = parts
    return Position(from_microseconds(event_time_us), stream, sequence)


def _next_streams(tenant: str, after: str) -> Callable[[Connection], list[AuditedStream]]:
    return lambda connection: repository.streams(connection, tenant, after=after, limit=_STREAMS_AT_ONCE)


def _check(verification: Verification, streams: Sequence[AuditedStream]) -> None:
    for each in streams:
        verification.check(each.head, each.tenant, each.stream, each.entries, each.stored)
