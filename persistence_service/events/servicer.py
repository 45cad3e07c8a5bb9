"""EventService: what happened elsewhere, and what it tells of drafts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from consensus.v1 import event_service_pb2 as pb
from consensus.v1 import event_service_pb2_grpc
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.identity import Identity, identity_of
from persistence_service.database import Connection, Database
from persistence_service.database.keyed_locks import Turns
from persistence_service.events import analytics, convert, repository
from persistence_service.events.analytics import DraftEvent
from persistence_service.events.event import EventFilter, NewEvent, StoredEvent
from persistence_service.idempotency.answers import AnswerClaim, answered_once, request_fingerprint
from persistence_service.idempotency.claims import KeyScope
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import MAX_PAGE_SIZE, page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import (
    EPOCH,
    MICROSECOND,
    from_timestamp,
    from_timestamp_up,
    to_timestamp,
)

APPEND = "event.append"
"""The operation under which keys of AppendEvents stand."""

MAX_COUNTS = 10_000
_AT_ONCE = 50
_RESOURCE = "events"

Result = TypeVar("Result")


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """Stores and reads the events of the caller's tenant."""

    def __init__(self, database: Database, signing: Signing, key_ttl: timedelta) -> None:
        """`signing` is for page tokens; `key_ttl` says how long idempotency keys are remembered."""
        self._database = database
        self._signing = signing
        self._key_ttl = key_ttl
        self._turns = Turns()

    async def AppendEvents(  # noqa: N802 - the contract's name
        self, request: pb.AppendEventsRequest, context: Any
    ) -> pb.AppendEventsResponse:
        """Stores events, and says of each whether it was there before."""
        identity = identity_of(context)
        if len(request.events) <= _AT_ONCE:
            return await self._append(*_prepared(request, identity), identity.tenant)
        # Long enough for others to wait for the loop, and for those who append the same to give up waiting.
        events, claim = await asyncio.to_thread(_prepared, request, identity)
        async with self._turns.of(identity.tenant):
            return await self._append(events, claim, identity.tenant)

    async def ListEvents(  # noqa: N802 - the contract's name
        self, request: pb.ListEventsRequest, context: Any
    ) -> pb.ListEventsResponse:
        """Lists events, oldest first."""
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["events", tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.event_filter(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        events = await self._read(
            lambda connection: repository.page(connection, tenant, wanted, after, size + 1)
        )
        response = pb.ListEventsResponse(events=fitting(map(convert.event_message, events), size))
        if len(response.events) < len(events):
            last = events[len(response.events) - 1]
            response.next_page_token = signer.token(binding, convert.page_position(last))
        return response

    async def ExportEvents(  # noqa: N802 - the contract's name
        self, request: pb.ExportEventsRequest, context: Any
    ) -> AsyncIterator[pb.ExportEventsResponse]:
        """Streams events, oldest first."""
        tenant, wanted = identity_of(context).tenant, convert.event_filter(request.filter)
        after: tuple[Any, ...] | None = None
        while events := await self._read(_next_page(tenant, wanted, after)):
            for event in events:
                yield pb.ExportEventsResponse(event=convert.event_message(event))
            after = repository.position_of(events[-1])

    async def GetEventStats(  # noqa: N802 - the contract's name
        self, request: pb.GetEventStatsRequest, context: Any
    ) -> pb.GetEventStatsResponse:
        """Counts events per type and, if asked, per span of time."""
        tenant, wanted = identity_of(context).tenant, convert.event_filter(request.filter)
        seconds = convert.BUCKET_SECONDS.get(request.bucket)

        def unit(connection: Connection) -> pb.GetEventStatsResponse:
            types = repository.count_types(connection, tenant, wanted, MAX_COUNTS + 1)
            buckets = (
                repository.count_buckets(connection, tenant, wanted, seconds, MAX_COUNTS + 1)
                if seconds
                else []
            )
            return _stats(types, buckets)

        return await self._read(unit)

    async def GetDraftAnalytics(  # noqa: N802 - the contract's name
        self, request: pb.GetDraftAnalyticsRequest, context: Any
    ) -> pb.GetDraftAnalyticsResponse:
        """Tells what happened to a draft."""
        tenant, draft_id = identity_of(context).tenant, request.draft_id
        events, now = await self._drafts(lambda connection: repository.of_draft(connection, tenant, draft_id))
        found = convert.draft_message(draft_id, analytics.draft_analytics(events, now))
        return pb.GetDraftAnalyticsResponse(analytics=found, as_of_time=to_timestamp(now))

    async def GetUserAnalytics(  # noqa: N802 - the contract's name
        self, request: pb.GetUserAnalyticsRequest, context: Any
    ) -> pb.GetUserAnalyticsResponse:
        """Tells what a user did for drafts."""
        tenant, user = identity_of(context).tenant, request.user
        events, now = await self._drafts(lambda connection: repository.of_user(connection, tenant, user))
        found = convert.user_message(user, analytics.user_analytics(user, events, now))
        return pb.GetUserAnalyticsResponse(analytics=found, as_of_time=to_timestamp(now))

    async def GetLeaderboard(  # noqa: N802 - the contract's name
        self, request: pb.GetLeaderboardRequest, context: Any
    ) -> pb.GetLeaderboardResponse:
        """Ranks users by what they did for drafts."""
        tenant, board, window = identity_of(context).tenant, convert.BOARDS[request.kind], _window(request)

        def unit(connection: Connection) -> pb.GetLeaderboardResponse:
            now = self._database.now(connection)
            rows = analytics.leaderboard(board, repository.of_boards(connection, tenant, window), now)
            entries = [convert.ranked_message(row) for row in rows]
            return pb.GetLeaderboardResponse(entries=entries, as_of_time=to_timestamp(now))

        return await self._read(unit)

    async def _append(
        self, events: list[NewEvent], claim: AnswerClaim | None, tenant: str
    ) -> pb.AppendEventsResponse:
        def unit(connection: Connection) -> bytes:
            now = self._database.now(connection)

            def effect() -> bytes:
                return _outcomes(repository.append(connection, tenant, events, now)).SerializeToString()

            if claim is None:
                return effect()
            return answered_once(connection, claim, now, now + self._key_ttl, effect)

        # Whether an unknown commit happened the key tells, and without one the caller finds duplicates.
        answer = await self._database.run(
            unit, isolation="READ COMMITTED", resource=_RESOURCE, rerun_when_lost=claim is not None
        )
        return pb.AppendEventsResponse.FromString(answer)

    async def _drafts(
        self, find: Callable[[Connection], list[DraftEvent]]
    ) -> tuple[list[DraftEvent], datetime]:
        return await self._read(lambda connection: (find(connection), self._database.now(connection)))

    async def _read(self, unit: Callable[[Connection], Result]) -> Result:
        return await self._database.run(unit, read_only=True, resource=_RESOURCE)


def _prepared(
    request: pb.AppendEventsRequest, identity: Identity
) -> tuple[list[NewEvent], AnswerClaim | None]:
    events = convert.new_events(request.events)
    if not request.idempotency_key:
        return events, None
    scope = KeyScope(identity.tenant, identity.caller, APPEND, "", request.idempotency_key)
    return events, AnswerClaim(scope, request_fingerprint(request))


def _outcomes(stored: list[bool]) -> pb.AppendEventsResponse:
    outcomes = [pb.APPEND_OUTCOME_STORED if each else pb.APPEND_OUTCOME_DUPLICATE for each in stored]
    return pb.AppendEventsResponse(
        outcomes=outcomes, stored_count=sum(stored), duplicate_count=len(stored) - sum(stored)
    )


def _stats(
    types: list[repository.TypeCount], buckets: list[repository.BucketCount]
) -> pb.GetEventStatsResponse:
    for counts, field in ((types, "filter"), (buckets, "bucket")):
        if len(counts) > MAX_COUNTS:
            raise InvalidField(field=field, description=f"asks for more than {MAX_COUNTS} counts")
    return pb.GetEventStatsResponse(
        event_count=sum(each.event_count for each in types),
        types=[
            pb.EventTypeStats(
                type=each.event_type,
                event_count=each.event_count,
                first_occur_time=to_timestamp(each.first_time),
                last_occur_time=to_timestamp(each.last_time),
            )
            for each in types
        ],
        buckets=[
            pb.EventBucket(
                start_time=to_timestamp(each.start_time), type=each.event_type, event_count=each.event_count
            )
            for each in buckets
        ],
    )


def _window(request: pb.GetLeaderboardRequest) -> EventFilter:
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
    return (EPOCH + occur_time_us * MICROSECOND, position, event_type, bytes.fromhex(digest))
