"""AuditService: who changed what, when, and the proof that nobody changed the answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from consensus.v1 import audit_service_pb2 as pb
from consensus.v1 import audit_service_pb2_grpc
from consensus_contract.errors import AuditCheckpointsOff
from consensus_journal import Checkpoint, Verification
from consensus_rpc.server.identity import identity_of
from persistence_service.audit import convert, repository
from persistence_service.audit.checkpoints import Checkpointer
from persistence_service.audit.repository import Position, Stream
from persistence_service.database import Connection, Database
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import EPOCH, MICROSECOND

_STREAMS_AT_ONCE = 100


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Reads the journal of the caller's tenant; each stream is read whole, from one snapshot."""

    def __init__(self, database: Database, signing: Signing, checkpointer: Checkpointer | None) -> None:
        """`signing` is for page tokens; `checkpointer` None: checkpoints are off."""
        self._database = database
        self._signing = signing
        self._checkpointer = checkpointer

    async def ListAuditEntries(  # noqa: N802 - the contract's name
        self, request: pb.ListAuditEntriesRequest, context: Any
    ) -> pb.ListAuditEntriesResponse:
        """Lists entries, newest first."""
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["audit", tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.filter_from_proto(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        entries = await self._database.run(
            lambda connection: repository.page(connection, tenant, wanted, after, size + 1),
            read_only=True,
            resource="audit log",
        )
        response = pb.ListAuditEntriesResponse(entries=map(convert.entry_to_proto, entries[:size]))
        if len(entries) > size:
            last = entries[size - 1]
            position = [last.event_time_us, last.stream, last.sequence]
            response.next_page_token = signer.token(binding, position)
        return response

    async def VerifyAudit(  # noqa: N802 - the contract's name
        self, request: pb.VerifyAuditRequest, context: Any
    ) -> AsyncIterator[pb.VerifyAuditResponse]:
        """Checks chains, heads and checkpoints."""
        tenant = identity_of(context).tenant
        verification = Verification(
            await self._checkpoints(),
            concerns=lambda of_tenant, stream: of_tenant == tenant and request.stream in {"", stream},
        )
        async for streams in self._streams(tenant, request.stream):
            await asyncio.to_thread(_check, verification, streams)
            yield pb.VerifyAuditResponse(
                progress=pb.AuditProgress(
                    stream_count=verification.stream_count, entry_count=verification.entry_count
                )
            )
        yield pb.VerifyAuditResponse(verdict=convert.verdict_to_proto(verification.verdict()))

    async def ExportAudit(  # noqa: N802 - the contract's name
        self, request: pb.ExportAuditRequest, context: Any
    ) -> AsyncIterator[pb.ExportAuditResponse]:
        """Streams heads, entries and checkpoints."""
        tenant = identity_of(context).tenant
        # Read first: one that is taken meanwhile would speak of entries that are not in the export.
        checkpoints = () if request.stream else await self._checkpoints()
        async for streams in self._streams(tenant, request.stream):
            for stream in streams:
                if stream.head is not None:
                    yield pb.ExportAuditResponse(head=convert.head_to_proto(stream.head))
                for entry in stream.entries:
                    yield pb.ExportAuditResponse(entry=convert.entry_to_proto(entry))
        for checkpoint in checkpoints:
            # One that names other tenants' streams is theirs too, and cannot be shown in part.
            if all(head.tenant == tenant for head in checkpoint.heads):
                yield pb.ExportAuditResponse(checkpoint=convert.checkpoint_to_proto(checkpoint))

    async def GetAuditCheckpoint(  # noqa: N802 - the contract's name
        self,
        request: pb.GetAuditCheckpointRequest,  # noqa: ARG002 - has no fields
        context: Any,  # noqa: ARG002 - checkpoints are the service's, not a tenant's
    ) -> pb.GetAuditCheckpointResponse:
        """Signs what has grown."""
        if self._checkpointer is None:
            raise AuditCheckpointsOff
        checkpoint = await self._checkpointer.take()
        return pb.GetAuditCheckpointResponse(checkpoint=convert.checkpoint_to_proto(checkpoint))

    async def _checkpoints(self) -> Sequence[Checkpoint]:
        return await self._checkpointer.checkpoints() if self._checkpointer else ()

    async def _streams(self, tenant: str, only: str) -> AsyncIterator[list[Stream]]:
        if only:
            yield await self._read(lambda connection: repository.stream(connection, tenant, only))
            return
        after = ""
        while streams := await self._read(_next_streams(tenant, after)):
            yield streams
            after = streams[-1].stream
        yield await self._read(lambda connection: repository.headless_streams(connection, tenant))

    async def _read(self, unit: Callable[[Connection], list[Stream]]) -> list[Stream]:
        return await self._database.run(unit, read_only=True, resource="audit log")


def _position(parts: list[Any]) -> Position:
    event_time_us, stream, sequence = parts
    return Position(EPOCH + event_time_us * MICROSECOND, stream, sequence)


def _next_streams(tenant: str, after: str) -> Callable[[Connection], list[Stream]]:
    return lambda connection: repository.streams(connection, tenant, after=after, limit=_STREAMS_AT_ONCE)


def _check(verification: Verification, streams: Sequence[Stream]) -> None:
    for each in streams:
        verification.check(each.head, each.tenant, each.stream, each.entries)
