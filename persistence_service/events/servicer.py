"""EventService: what happened elsewhere, and what it tells of drafts."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from consensus.v1 import event_service_pb2, event_service_pb2_grpc
from consensus_contract.errors import DraftNotFound
from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import Identity, identity_of
from persistence_service.database import Connection, Database
from persistence_service.database.keyed_locks import KeyedLocks
from persistence_service.events import analytics, convert, repository
from persistence_service.events.analytics import DraftEvent
from persistence_service.events.event import EventFilter, NewEvent, StoredEvent
from persistence_service.idempotency.keys import KeyUse, key_use
from persistence_service.idempotency.once import OncePerKey
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import MAX_COUNTS, check_counts, page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import (
    from_microseconds,
    from_timestamp,
    from_timestamp_up,
    to_timestamp,
)

APPEND = "event.append"
"""The operation under which keys of AppendEvents stand."""

_AT_ONCE = 50
_RESOURCE = "events"

Result = TypeVar("Result")

HasDraft: TypeAlias = Callable[[Connection, tuple[str, str]], bool]
"""Whether there is a draft with this tenant and id, deleted or not."""


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """Stores and reads the events of the caller's tenant."""

    def __init__(
        self, database: Database, signing: Signing, once: OncePerKey, *, has_draft: HasDraft
    ) -> None:
        self._has_draft = has_draft
        self._database = database
        self._signing = signing
        self._once = once
        self._locks = KeyedLocks()

    async def AppendEvents(
        self, request: event_service_pb2.AppendEventsRequest, context: Context
    ) -> event_service_pb2.AppendEventsResponse:
        """Stores events, and says of each whether it was there before."""
        identity = identity_of(context)
        if len(request.events) <= _AT_ONCE:
            return await self._append(*_prepared(request, identity), identity.tenant)
        # Long enough for others to wait for the loop, and for those who append the same to give up waiting.
        events, use = await asyncio.to_thread(_prepared, request, identity)
        async with self._locks.of(identity.tenant):
            return await self._append(events, use, identity.tenant)

    async def ListEvents(
        self, request: event_service_pb2.ListEventsRequest, context: Context
    ) -> event_service_pb2.ListEventsResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["events", tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.event_filter(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        events = await self._read(
            tenant,
            lambda connection: repository.page(connection, tenant, wanted, after, size + 1),
            may_be_stale=True,
        )
        response = event_service_pb2.ListEventsResponse(
            events=fitting(map(convert.event_message, events), size)
        )
        if len(response.events) < len(events):
            last = events[len(response.events) - 1]
            response.next_page_token = signer.token(binding, convert.page_position(last))
        return response

    async def ExportEvents(
        self, request: event_service_pb2.ExportEventsRequest, context: Context
    ) -> AsyncIterator[event_service_pb2.ExportEventsResponse]:
        tenant, wanted = identity_of(context).tenant, convert.event_filter(request.filter)
        after: tuple[Any, ...] | None = None
        while events := await self._read(tenant, _next_page(tenant, wanted, after), may_be_stale=True):
            for event in events:
                yield event_service_pb2.ExportEventsResponse(event=convert.event_message(event))
            after = repository.position_of(events[-1])

    async def GetEventStats(
        self, request: event_service_pb2.GetEventStatsRequest, context: Context
    ) -> event_service_pb2.GetEventStatsResponse:
        """Counts events per type and, if asked, per span of time."""
        tenant, wanted = identity_of(context).tenant, convert.event_filter(request.filter)
        seconds = convert.BUCKET_SECONDS.get(request.bucket)

        def unit(connection: Connection) -> event_service_pb2.GetEventStatsResponse:
            types = repository.count_types(connection, tenant, wanted, MAX_COUNTS + 1)
            buckets = (
                repository.count_buckets(connection, tenant, wanted, seconds, MAX_COUNTS + 1)
                if seconds
                else []
            )
            return _stats(types, buckets)

        return await self._read(tenant, unit)

    async def GetDraftAnalytics(
        self, request: event_service_pb2.GetDraftAnalyticsRequest, context: Context
    ) -> event_service_pb2.GetDraftAnalyticsResponse:
        tenant, draft_id = identity_of(context).tenant, request.draft_id

        def find(connection: Connection) -> list[DraftEvent]:
            events = repository.of_draft(connection, tenant, draft_id)
            # Events of a draft may be purged before the draft, and are kept after it.
            if not events and not self._has_draft(connection, (tenant, draft_id)):
                raise DraftNotFound(draft_id=draft_id)
            return events

        events, now = await self._drafts(tenant, find)
        found = convert.draft_message(draft_id, analytics.draft_analytics(events, now))
        return event_service_pb2.GetDraftAnalyticsResponse(analytics=found, as_of_time=to_timestamp(now))

    async def GetUserAnalytics(
        self, request: event_service_pb2.GetUserAnalyticsRequest, context: Context
    ) -> event_service_pb2.GetUserAnalyticsResponse:
        tenant, user = identity_of(context).tenant, request.user
        events, now = await self._drafts(
            tenant, lambda connection: repository.of_user(connection, tenant, user)
        )
        found = convert.user_message(user, analytics.user_analytics(user, events, now))
        return event_service_pb2.GetUserAnalyticsResponse(analytics=found, as_of_time=to_timestamp(now))

    async def GetLeaderboard(
        self, request: event_service_pb2.GetLeaderboardRequest, context: Context
    ) -> event_service_pb2.GetLeaderboardResponse:
        tenant, board, window = identity_of(context).tenant, convert.BOARDS[request.kind], _window(request)

        def unit(connection: Connection) -> event_service_pb2.GetLeaderboardResponse:
            now = self._database.now(connection)
            earlier = repository.created_before(connection, tenant, window)
            rows = analytics.leaderboard(
                board, repository.of_boards(connection, tenant, window), now, earlier
            )
            entries = [convert.ranked_message(row) for row in rows]
            return event_service_pb2.GetLeaderboardResponse(entries=entries, as_of_time=to_timestamp(now))

        return await self._read(tenant, unit)

    async def _append(
        self, events: list[NewEvent], use: KeyUse | None, tenant: str
    ) -> event_service_pb2.AppendEventsResponse:
        def effect(connection: Connection, now: datetime) -> event_service_pb2.AppendEventsResponse:
            return _outcomes(repository.append(connection, tenant, events, now))

        # Without a key a caller whose commit is unknown finds duplicates.
        return await self._once.change(tenant, use, effect, event_service_pb2.AppendEventsResponse, _RESOURCE)

    async def _drafts(
        self, tenant: str, find: Callable[[Connection], list[DraftEvent]]
    ) -> tuple[list[DraftEvent], datetime]:
        return await self._read(tenant, lambda connection: (find(connection), self._database.now(connection)))

    async def _read(
        self, tenant: str, unit: Callable[[Connection], Result], *, may_be_stale: bool = False
    ) -> Result:
        return await self._database.run(
            unit, tenant=tenant, read_only=True, resource=_RESOURCE, may_be_stale=may_be_stale
        )


def _prepared(
    request: event_service_pb2.AppendEventsRequest, identity: Identity
) -> tuple[list[NewEvent], KeyUse | None]:
    events = convert.new_events(request.events)
    return events, key_use(identity, APPEND, "", request, request.idempotency_key)


def _outcomes(stored: list[bool]) -> event_service_pb2.AppendEventsResponse:
    outcomes = [
        event_service_pb2.APPEND_OUTCOME_STORED if each else event_service_pb2.APPEND_OUTCOME_DUPLICATE
        for each in stored
    ]
    return event_service_pb2.AppendEventsResponse(
        outcomes=outcomes, stored_count=sum(stored), duplicate_count=len(stored) - sum(stored)
    )


def _stats(
    types: list[repository.EventTypeCount], buckets: list[repository.BucketCount]
) -> event_service_pb2.GetEventStatsResponse:
    check_counts(types, "filter")
    check_counts(buckets, "bucket")
    return event_service_pb2.GetEventStatsResponse(
        event_count=sum(each.event_count for each in types),
        types=[
            event_service_pb2.EventTypeStats(
                type=each.event_type,
                event_count=each.event_count,
                first_occur_time=to_timestamp(each.first_time),
                last_occur_time=to_timestamp(each.last_time),
            )
            for each in types
        ],
        buckets=[
            event_service_pb2.EventBucket(
                start_time=to_timestamp(each.start_time), type=each.event_type, event_count=each.event_count
            )
            for each in buckets
        ],
    )


def _window(request: event_service_pb2.GetLeaderboardRequest) -> EventFilter:
    begin = request.occur_time_from if request.HasField("occur_time_from") else None
    end = request.occur_time_to if request.HasField("occur_time_to") else None
    return EventFilter(
        time_from=from_timestamp_up(begin, "occur_time_from") if begin else None,
        time_to=from_timestamp(end, "occur_time_to") if end else None,
    )


def _next_page(
    tenant: str, wanted: EventFilter, after: tuple[Any, ...] | None
) -> Callable[[Connection], list[StoredEvent]]:
    return lambda connection: repository.page(connection, tenant, wanted, after, MAX_PAGE_SIZE)


def _position(parts: list[Any]) -> tuple[Any, ...]:
    occur_time_us, position, event_type, digest = parts
    return (from_microseconds(occur_time_us), position, event_type, bytes.fromhex(digest))
