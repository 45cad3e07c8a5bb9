"""UsageService: what calls to the models came to."""
# ruff: noqa: N802 - names are those of the generated base

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from consensus.v1 import usage_service_pb2, usage_service_pb2_grpc
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import identity_of
from persistence_service.database import Database
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signing
from persistence_service.runs import spent
from persistence_service.schema.scalars import from_microseconds, microseconds
from persistence_service.usage import convert, repository
from persistence_service.usage.repository import Wanted


class UsageServicer(usage_service_pb2_grpc.UsageServiceServicer):
    """Sums the usage of the caller's tenant."""

    def __init__(self, database: Database, signing: Signing) -> None:
        self._database = database
        self._signing = signing

    async def GetUsage(
        self, request: usage_service_pb2.GetUsageRequest, context: Context
    ) -> usage_service_pb2.GetUsageResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        groups = repository.group_names(request.group_by)
        signer = await self._signing.signer()
        binding = ["usage", tenant, request.filter.SerializeToString(deterministic=True).hex(), *groups]
        position = signer.position(binding, request.page_token) if request.page_token else None

        def read(connection: Connection) -> Sequence[Mapping[Any, Any]]:
            wanted = _wanted(request.filter, tenant, self._database.now(connection))
            after = None if position is None else _after(groups, position)
            return repository.page(connection, wanted, groups, after, size + 1)

        rows = await self._database.run(read, tenant=tenant, read_only=True, resource="usage")
        response = usage_service_pb2.GetUsageResponse(usage=[_message(row, groups) for row in rows[:size]])
        if len(rows) > size:
            response.next_page_token = signer.token(binding, _position(groups, rows[size - 1]))
        return response


def _wanted(asked: usage_service_pb2.UsageFilter, tenant: str, now: datetime) -> Wanted:
    first, last = convert.days_of(asked, now)
    return Wanted(tenant, first, last, asked.caller, asked.user, asked.run_id, asked.persona_id)


def _message(row: Mapping[Any, Any], groups: Sequence[str]) -> usage_service_pb2.Usage:
    cost, uncertain = spent.money(row, "cost_micros"), spent.money(row, "uncertain_micros")
    return convert.usage_message(row, groups, cost, uncertain)


def _position(groups: Sequence[str], row: Mapping[Any, Any]) -> list[Any]:
    return [microseconds(row[name]) if name == "day" else row[name] for name in groups]


def _after(groups: Sequence[str], position: Sequence[Any]) -> list[Any]:
    return [
        from_microseconds(value) if name == "day" else value
        for name, value in zip(groups, position, strict=True)
    ]
