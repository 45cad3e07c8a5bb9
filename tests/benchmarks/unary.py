"""Single calls of the persistence service: events kept and listed, a key kept, a draft read."""

import itertools
import sys
import uuid
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import (
    draft_pb2,
    draft_service_pb2,
    draft_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    idempotency_service_pb2,
    idempotency_service_pb2_grpc,
)
from consensus_rpc.channel.channels import open_channel
from tests.benchmarks.loads import Jobs, obey
from tests.support.serving import struct

CALLS = ("append_events", "check_and_set", "list_events", "get_draft")
"""The jobs, each one call."""
EVENTS_AT_ONCE = 10
PAGE_SIZE = 50
_SEGMENTS, _COLLABORATORS = 20, 5


def jobs(channel: grpc.aio.Channel) -> Jobs:
    """A job per call; each call is as large as a caller's would be.

    `prepare` makes the draft that is read: 21 segments of 500 characters, six collaborators.
    """
    drafts: Any = draft_service_pb2_grpc.DraftServiceStub(channel)
    events: Any = event_service_pb2_grpc.EventServiceStub(channel)
    keys: Any = idempotency_service_pb2_grpc.IdempotencyServiceStub(channel)
    numbers = itertools.count(1)
    draft_id = uuid.uuid4().hex

    async def prepare() -> None:
        await make_draft(drafts, draft_id)
        for _ in range(2 * PAGE_SIZE // EVENTS_AT_ONCE):
            await append()

    async def append() -> None:
        answer = await events.AppendEvents(
            event_service_pb2.AppendEventsRequest(events=ten_events(next(numbers)))
        )
        assert answer.stored_count == EVENTS_AT_ONCE

    async def check_and_set() -> None:
        answer = await keys.CheckAndSet(
            idempotency_service_pb2.CheckAndSetRequest(
                scope="benchmark", key=uuid.uuid4().hex, ttl=Duration(seconds=3600)
            )
        )
        assert not answer.seen

    async def list_events() -> None:
        answer = await events.ListEvents(event_service_pb2.ListEventsRequest(page_size=PAGE_SIZE))
        assert len(answer.events) == PAGE_SIZE

    async def get_draft() -> None:
        answer = await drafts.GetDraft(draft_service_pb2.GetDraftRequest(draft_id=draft_id))
        assert len(answer.draft.segments) == _SEGMENTS + 1

    return {
        "prepare": prepare,
        "append_events": append,
        "check_and_set": check_and_set,
        "list_events": list_events,
        "get_draft": get_draft,
    }


def ten_events(number: int) -> list[event_service_pb2.EventInput]:
    """Events that no other call sent."""
    return [
        event_service_pb2.EventInput(
            type="ArticleSaved",
            occur_time=Timestamp(seconds=1_770_000_000 + number, nanos=index * 1000),
            data=struct(user=f"u-{index}", article=uuid.uuid4().hex, source="benchmark", seconds=12.5),
            schema_version=1,
        )
        for index in range(EVENTS_AT_ONCE)
    ]


async def make_draft(drafts: Any, draft_id: str) -> None:
    """A draft with a long text and collaborators."""
    text = "Readers save an article and read it on the train. " * 10
    await drafts.CreateDraft(
        draft_service_pb2.CreateDraftRequest(
            draft_id=draft_id, user="ann", title="A walk", first_segment=text
        )
    )
    for number in range(_COLLABORATORS):
        await drafts.AddCollaborator(
            draft_service_pb2.AddCollaboratorRequest(
                draft_id=draft_id, user="ann", collaborator=f"reader-{number}",
                role=draft_pb2.COLLABORATOR_ROLE_EDITOR,
            )
        )  # fmt: skip
    for _ in range(_SEGMENTS):
        await drafts.AppendSegment(
            draft_service_pb2.AppendSegmentRequest(draft_id=draft_id, user="ann", text=text)
        )


def main(address: str) -> None:
    async def make() -> Jobs:
        return jobs(open_channel(address))

    obey(make)


if __name__ == "__main__":
    main(sys.argv[1])
