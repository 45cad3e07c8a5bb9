"""A SQLite file that cannot be written for a while, as on a full disk.

Neither chmod nor chattr reaches a file that is open already, and the former does not bind root: what stands
in is a limit on the size of files, set on the running persistence service. Its writes beyond the limit
fail with EFBIG, of which SQLite makes the error of a failed write; nothing is read-only to its readers.
"""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.faults.case import Case, running_case
from tests.faults.stack import Stack, running_stack
from tests.support.pair import kinds
from tests.support.processes import Process

# Above what the service logs in one case, below what its write-ahead log holds after the migrations.
_LIMIT_BYTES = 96 * 1024


@pytest.fixture
async def own_case(tmp_path: Path, mark: str) -> AsyncIterator[Case]:
    """A case on a file of its own, with a log that is short enough for the limit."""
    with running_stack(Stack(tmp_path, f"sqlite:///{tmp_path / 'consensus.db'}")) as stack:
        async with running_case(stack, mark) as case:
            yield case


@contextmanager
def unable_to_write(process: Process) -> Iterator[None]:
    """No file of this process may grow, or be changed, beyond the limit."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


async def test_the_file_cannot_be_written_and_then_again(own_case: Case) -> None:
    case = own_case
    persistence = case.stack.persistences[0]
    await case.hold("critic", "optimist")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("persona_review_ready", 3)
    # SQLite appends to it until it holds 1000 pages, which is not soon.
    assert (case.stack.folder / "consensus.db-wal").stat().st_size > _LIMIT_BYTES

    with unable_to_write(persistence):
        await case.release()
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await case.start(case.stack.reviews[1], key=case.mark)
        await asyncio.sleep(1)
        before = await case.run(caller.run_id)
    events = await case.finish(caller.run_id, caller.last)
    await asyncio.to_thread(case.stack.wait_serving)
    later = await case.start(case.stack.reviews[1], key=case.mark)

    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(before.persona_reviews) == 3  # what was acknowledged can be read all the time
    assert kinds(events)[-1] == "run_completed"
    assert kinds(await case.finish(later))[-1] == "run_completed"
    assert persistence.popen.poll() is None
    for persona in caller.reviewed():
        assert (await case.model_wait({}, run_id=caller.run_id, persona=persona))["total"]["started"] == 1
