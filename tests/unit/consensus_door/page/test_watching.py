"""Many watchers of a run cost one read for each event, and see nothing of other credentials' reads."""

import asyncio

from prometheus_client import CollectorRegistry

from consensus.v1 import run_pb2
from consensus_door.metrics import DoorMetrics
from consensus_door.page.watching import Watching
from consensus_door.services.calling import Credential


class Reads:
    """Counts reads, each as far as the run has come."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.last_sequence = 1

    async def __call__(self, run_id: str, credential: Credential) -> run_pb2.Run:
        self.made.append(credential.text)
        await asyncio.sleep(0)
        return run_pb2.Run(run_id=run_id, last_sequence=self.last_sequence)


async def test_watchers_with_one_credential_share_what_is_read() -> None:
    reads = Reads()
    watching = Watching(reads, DoorMetrics(CollectorRegistry()))
    ann, bob = Credential("Bearer a"), Credential("Bearer b")
    with watching.of("run-1", ann) as first, watching.of("run-1", ann) as second:
        await asyncio.gather(first.at(1), second.at(1))
        assert len(reads.made) == 1
        reads.last_sequence = 5
        seen = await asyncio.gather(
            *(each.at(sequence) for each in (first, second) for sequence in (2, 3, 5))
        )
        assert len(reads.made) == 2
        assert {each.last_sequence for each in seen} == {5}
        with watching.of("run-1", bob) as third:
            await third.at(5)
    assert reads.made == [ann.text, ann.text, bob.text]


async def test_with_the_last_watcher_it_is_forgotten() -> None:
    reads = Reads()
    watching = Watching(reads, DoorMetrics(CollectorRegistry()))
    for _ in range(2):
        with watching.of("run-1", Credential()) as watched:
            await watched.at(1)
    assert len(reads.made) == 2
