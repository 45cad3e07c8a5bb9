"""The lease by this process's own clock."""

import asyncio

from google.protobuf.duration_pb2 import Duration

from consensus.internal.v1 import persistence_service_pb2
from review_service.record.lease import Lease


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def grant(seconds: int) -> persistence_service_pb2.Lease:
    return persistence_service_pb2.Lease(fencing_token=3, remaining=Duration(seconds=seconds))


async def test_it_is_counted_from_the_sending_of_the_request_so_that_it_is_never_believed_too_long() -> None:
    clock = Clock()
    lease = Lease(clock)

    lease.granted(grant(15), sent_at=98.0)

    clock.now = 112.9
    assert not lease.has_ended()
    clock.now = 113.0
    assert lease.has_ended()


async def test_it_is_renewed_at_a_third() -> None:
    lease = Lease(Clock())

    lease.granted(grant(15), sent_at=100.0)

    assert lease.renewal_seconds == 5.0
    assert lease.token == 3


async def test_whoever_needs_it_waits_until_it_is_renewed() -> None:
    clock = Clock()
    lease = Lease(clock)
    lease.granted(grant(1), sent_at=100.0)
    clock.now = 102.0

    waiting = asyncio.create_task(lease.wait_held())
    await asyncio.sleep(0)
    assert not waiting.done()
    lease.granted(grant(1), sent_at=102.0)

    await waiting


async def test_nobody_waits_while_it_is_held() -> None:
    lease = Lease(Clock())
    lease.granted(grant(1), sent_at=100.0)

    await lease.wait_held()
