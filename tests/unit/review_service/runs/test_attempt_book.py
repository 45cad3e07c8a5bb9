"""What the book of attempts knows, told by what was recorded through it."""

import asyncio
from collections.abc import Awaitable, Sequence

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, run_event_pb2
from consensus_contract.steps import EXPAND, review_step
from review_service.runs.attempt_book import AttemptBook
from review_service.steps.attempts import first_attempt, started_attempt
from tests.support.engine import specification

CRITIC = review_step("critic")
FAILED = attempt_pb2.ATTEMPT_STATE_FAILED


class Pages:
    """Stands in for a ledger: keeps what is written, and answers when told to."""

    def __init__(self) -> None:
        self.attempts: list[attempt_pb2.Attempt] = []
        self.durable = asyncio.Event()

    def record(
        self,
        attempts: Sequence[attempt_pb2.Attempt] = (),
        items: Sequence[persistence_service_pb2.RecordItem] = (),
    ) -> Awaitable[None]:
        self.attempts += attempts
        return self._written()

    async def _written(self) -> None:
        await self.durable.wait()

    async def wait_lease(self) -> None:
        pass


def failed(attempt: attempt_pb2.Attempt) -> attempt_pb2.Attempt:
    ended = attempt_pb2.Attempt()
    ended.CopyFrom(attempt)
    ended.state = FAILED
    return ended


async def test_an_attempt_is_under_way_from_its_start_to_its_end_however_it_was_recorded() -> None:
    pages = Pages()
    pages.durable.set()
    book = AttemptBook(pages, specification(), started=[EXPAND])
    firsts = book.first_attempts([EXPAND, CRITIC])
    course = []

    await book.start(firsts)
    course.append((book.is_started(EXPAND), book.is_started(CRITIC)))
    await book.record([failed(first_attempt(specification(), EXPAND))])
    course.append((book.is_started(EXPAND), book.is_started(CRITIC)))
    await book.attempt_failed(failed(firsts[0]), run_event_pb2.AttemptFailed())
    course.append((book.is_started(EXPAND), book.is_started(CRITIC)))
    await book.attempt_started(started_attempt(CRITIC, 2, "m", None, 10))
    course.append((book.is_started(EXPAND), book.is_started(CRITIC)))

    assert [each.step for each in firsts] == [CRITIC]  # that of the other step is recorded
    assert course == [(True, True), (False, True), (False, False), (False, True)]


async def test_a_cut_while_an_attempt_is_being_recorded_leaves_it_unknown() -> None:
    book = AttemptBook(Pages(), specification())
    repair = started_attempt(CRITIC, 2, "m", 0.2, 16000, is_repair=True)
    recording = asyncio.create_task(book.attempt_started(repair))
    await asyncio.sleep(0)

    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)

    (unknown,) = book.unknown_attempts()
    assert unknown.state == attempt_pb2.ATTEMPT_STATE_UNKNOWN
    unknown.state = repair.state
    assert unknown == repair


async def test_a_first_attempt_is_made_again_as_it_was_recorded_and_only_its_name_is_kept() -> None:
    book = AttemptBook(Pages(), specification())
    (first,) = book.first_attempts([CRITIC])
    starting = asyncio.create_task(book.start([first]))
    await asyncio.sleep(0)

    (unknown,) = book.unknown_attempts()

    unknown.state = first.state
    assert unknown == first
    assert unknown is not first
    starting.cancel()
