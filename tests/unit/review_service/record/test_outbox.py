"""What is to be recorded: its order, its ids, what leaves together, and what a cut changes."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, panel_pb2, run_event_pb2
from review_service.record.outbox import MAX_PER_RECORD, MAX_RECORD_BYTES, Outbox
from review_service.runs.record_items import review_ready, step_started


def make_outbox() -> tuple[Outbox, list[run_event_pb2.RunEvent]]:
    published: list[run_event_pb2.RunEvent] = []
    return Outbox("run-1", last_record_id=4, publish=published.extend), published


def ack(record: persistence_service_pb2.Record | None, first: int) -> persistence_service_pb2.RecordAck:
    assert record is not None
    return persistence_service_pb2.RecordAck(
        record_id=record.record_id, first_sequence=first, event_time=Timestamp(seconds=7)
    )


def steps(record: persistence_service_pb2.Record | None) -> list[str]:
    assert record is not None
    return [item.step_started.step for item in record.items]


async def test_what_waits_together_leaves_as_one_record_in_order() -> None:
    outbox, _ = make_outbox()
    outbox.add([], [step_started("a")])
    outbox.add([], [step_started("b"), step_started("c")])

    record = outbox.take()

    assert steps(record) == ["a", "b", "c"]
    assert record is not None
    assert record.record_id == 5
    assert outbox.take() is None


async def test_what_comes_while_a_record_is_in_flight_leaves_as_the_next() -> None:
    outbox, _ = make_outbox()
    outbox.add([], [step_started("a")])
    first = outbox.take()
    outbox.add([], [step_started("b")])

    second = outbox.take()

    assert first is not None
    assert second is not None
    assert (first.record_id, second.record_id) == (5, 6)
    assert steps(second) == ["b"]


async def test_a_record_never_grows_beyond_what_the_contract_takes() -> None:
    outbox, _ = make_outbox()
    for number in range(MAX_PER_RECORD + 1):
        outbox.add([attempt_pb2.Attempt(step="a", attempt_number=number + 1)], [])

    first, second = outbox.take(), outbox.take()

    assert first is not None
    assert second is not None
    assert (len(first.attempts), len(second.attempts)) == (MAX_PER_RECORD, 1)


async def test_an_acknowledgement_publishes_the_events_and_ends_every_future_of_its_record() -> None:
    outbox, published = make_outbox()
    futures = [outbox.add([], [step_started("a")]), outbox.add([], [step_started("b")])]

    outbox.acknowledged(ack(outbox.take(), first=8))

    assert all(future.done() for future in futures)
    assert [(event.sequence, event.step_started.step) for event in published] == [(8, "a"), (9, "b")]
    assert {event.event_time.seconds for event in published} == {7}
    assert outbox.is_empty


async def test_after_a_cut_unacknowledged_records_are_sent_again_first_with_the_same_ids() -> None:
    outbox, _ = make_outbox()
    outbox.add([], [step_started("a")])
    first = outbox.take()
    outbox.add([], [step_started("b")])
    second = outbox.take()
    outbox.add([], [step_started("c")])

    outbox.rewind()
    again = [outbox.take(), outbox.take(), outbox.take()]

    assert again[:2] == [first, second]
    assert steps(again[2]) == ["c"]


async def test_two_cuts_in_a_row_keep_the_order() -> None:
    outbox, _ = make_outbox()
    for step in ("a", "b", "c"):
        outbox.add([], [step_started(step)])
        outbox.take()
    outbox.rewind()
    outbox.take()

    outbox.rewind()

    assert [steps(outbox.take()) for _ in range(3)] == [["a"], ["b"], ["c"]]


async def test_a_waiter_that_is_cancelled_takes_nothing_back() -> None:
    outbox, published = make_outbox()
    outbox.add([], [step_started("a")]).cancel()

    outbox.acknowledged(ack(outbox.take(), first=1))

    assert [event.step_started.step for event in published] == ["a"]


async def test_an_acknowledgement_of_another_record_is_an_error() -> None:
    outbox, _ = make_outbox()
    outbox.add([], [step_started("a")])
    outbox.take()

    with pytest.raises(ValueError, match="out of order"):
        outbox.acknowledged(persistence_service_pb2.RecordAck(record_id=9))


async def test_failing_ends_every_future_wherever_its_record_is() -> None:
    outbox, _ = make_outbox()
    futures = [outbox.add([], [step_started("a")])]
    outbox.take()
    outbox.rewind()
    outbox.take()
    futures.append(outbox.add([], [step_started("b")]))

    outbox.fail(RuntimeError("over"))

    for future in futures:
        with pytest.raises(RuntimeError, match="over"):
            await future
    assert outbox.take() is None


async def test_what_waits_together_leaves_as_several_records_when_it_is_large() -> None:
    outbox, _ = make_outbox()
    review = panel_pb2.PersonaReview(strengths=["x" * (MAX_RECORD_BYTES // 3)])
    for persona in ("a", "b", "c", "d"):
        review.persona_id = persona
        outbox.add([], review_ready(review, 1))

    records = [outbox.take(), outbox.take(), outbox.take()]

    assert [len(each.items) if each else 0 for each in records] == [4, 4, 0]
    assert all(each is None or each.ByteSize() <= MAX_RECORD_BYTES for each in records)


async def test_what_was_added_as_one_is_not_split() -> None:
    outbox, _ = make_outbox()
    large = panel_pb2.PersonaReview(persona_id="a", strengths=["x" * MAX_RECORD_BYTES])
    outbox.add([], [step_started("a")])
    outbox.add([], review_ready(large, 1))

    first, second = outbox.take(), outbox.take()

    assert steps(first) == ["a"]
    assert second is not None
    assert len(second.items) == 2
