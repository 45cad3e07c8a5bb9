"""Single calls of the persistence service: events kept and listed, a key kept, a draft read."""

import itertools
import sys
import uuid
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import draft_pb2
from consensus.v1 import draft_service_pb2 as drafts_pb
from consensus.v1 import event_service_pb2 as events_pb
from consensus.v1 import idempotency_service_pb2 as keys_pb
from consensus.v1.draft_service_pb2_grpc import DraftServiceStub
from consensus.v1.event_service_pb2_grpc import EventServiceStub
from consensus.v1.idempotency_service_pb2_grpc import IdempotencyServiceStub
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
    drafts: Any = DraftServiceStub(channel)
    events: Any = EventServiceStub(channel)
    keys: Any = IdempotencyServiceStub(channel)
    numbers = itertools.count(1)
    draft_id = uuid.uuid4().hex

    async def prepare() -> None:
        await make_draft(drafts, draft_id)
        for _ in range(2 * PAGE_SIZE // EVENTS_AT_ONCE):
            await append()

    async def append() -> None:
        answer = await events.AppendEvents(events_pb.AppendEventsRequest(events=ten_events(next(numbers))))
        assert answer.stored_count == EVENTS_AT_ONCE

    async def check_and_set() -> None:
        answer = await keys.CheckAndSet(
            keys_pb.CheckAndSetRequest(scope="benchmark", key=uuid.uuid4().hex, ttl=Duration(seconds=3600))
        )
        assert not answer.seen

    async def list_events() -> None:
        answer = await events.ListEvents(events_pb.ListEventsRequest(page_size=PAGE_SIZE))
        assert len(answer.events) == PAGE_SIZE

    async def get_draft() -> None:
        answer = await drafts.GetDraft(drafts_pb.GetDraftRequest(draft_id=draft_id))
        assert len(answer.draft.segments) == _SEGMENTS + 1

    return {
        "prepare": prepare,
        "append_events": append,
        "check_and_set": check_and_set,
        "list_events": list_events,
        "get_draft": get_draft,
    }


def ten_events(number: int) -> list[events_pb.EventInput]:
    """Events that no other call sent."""
    return [
        events_pb.EventInput(
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
        drafts_pb.CreateDraftRequest(draft_id=draft_id, user="ann", title="A walk", first_segment=text)
    )
    for number in range(_COLLABORATORS):
        await drafts.AddCollaborator(
            drafts_pb.AddCollaboratorRequest(
                draft_id=draft_id, user="ann", collaborator=f"reader-{number}",
                role=draft_pb2.COLLABORATOR_ROLE_EDITOR,
            )
        )  # fmt: skip
    for _ in range(_SEGMENTS):
        await drafts.AppendSegment(drafts_pb.AppendSegmentRequest(draft_id=draft_id, user="ann", text=text))


def main(address: str) -> None:
    async def make() -> Jobs:
        return jobs(open_channel(address))

    obey(make)


if __name__ == "__main__":
    main(sys.argv[1])
