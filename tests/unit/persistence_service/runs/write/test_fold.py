"""What operations do to a run under its lock, apart from any database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consensus.v1 import attempt_pb2, run_event_pb2
from consensus_contract.errors import ConsensusError, DuplicateId, IllegalState, LeaseLost, RunCancelled
from persistence_service.runs.form import names
from persistence_service.runs.form.keys import RunScope
from persistence_service.runs.form.specification import specification_row
from persistence_service.runs.write import claiming, interventions
from persistence_service.runs.write.fold import Fold, Rules
from persistence_service.runs.write.locked_run import Changes, Tracked
from persistence_service.runs.write.operations import (
    Append,
    Attach,
    ClaimWork,
    Create,
    PreparedRecord,
    Release,
    Renew,
)
from persistence_service.runs.write.outcomes import Ack, Created, Follow, Repeated
from persistence_service.runs.write.unfinished import UnfinishedWork
from tests.support.records import attempt, decision, failure, first_record, record, specification

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = Rules(lease=timedelta(seconds=15), max_take_overs=2)
SCOPE = RunScope("default", "anonymous", "q-1")
CREATE = Create(
    scope=SCOPE,
    run_id="r",
    specification=specification_row(specification(), timedelta(seconds=600)),
    lease_owner="me",
    first_record=PreparedRecord.of(first_record()),
)
WORK = ClaimWork(lease_owner="other", max_count=1)


def fold_at(seconds: float = 0.0) -> Fold:
    return Fold(RULES, NOON + timedelta(seconds=seconds), Changes())


def created() -> Tracked:
    return fold_at().create(CREATE)[0]


def append(record_id: int, *payloads: object, token: int = 1) -> Append:
    prepared = PreparedRecord.of(record(record_id, *payloads))
    return Append(scope=SCOPE, run_id="r", fencing_token=token, record=prepared)


def renew(token: int = 1) -> Renew:
    return Renew(scope=SCOPE, run_id="r", fencing_token=token)


def release(token: int = 1) -> Release:
    return Release(scope=SCOPE, run_id="r", fencing_token=token)


def attach(token: int = 1) -> Attach:
    return Attach(scope=SCOPE, run_id="r", fencing_token=token, lease_owner="me")


def test_a_new_run_has_its_lease_its_deadline_and_its_first_three_entries() -> None:
    fold = fold_at()
    tracked, answer = fold.create(CREATE)
    run = tracked.run
    assert (run.state, run.fencing_token, run.last_sequence) == (names.RUNNING, 1, 3)
    assert run.lease_expire_time == NOON + RULES.lease
    assert run.expire_time == NOON + timedelta(seconds=600)
    assert answer.ack == Ack(1, 3, 3, NOON)
    assert [entry.record_id for entry in fold.changes.entries] == [None, None, 1]


def test_a_queued_run_has_neither_lease_nor_deadline() -> None:
    tracked, answer = fold_at().create(replace(CREATE, lease_owner=None, first_record=None))
    assert answer == Created(None, None)
    assert (tracked.run.lease_expire_time, tracked.run.expire_time) == (None, None)


def test_a_creation_with_a_record_that_is_refused_leaves_nothing() -> None:
    fold = fold_at()
    broken = PreparedRecord.of(record(1, run_event_pb2.RunCompleted()))
    with pytest.raises(IllegalState):
        fold.create(replace(CREATE, first_record=broken))
    assert fold.changes == Changes()


def test_a_creation_that_is_repeated_is_answered_from_its_first_lease() -> None:
    answer = fold_at(1).create_again(created(), CREATE)
    assert isinstance(answer, Created)
    assert answer.granted is not None
    assert answer.granted.fencing_token == 1


def test_a_creation_that_is_repeated_in_another_transaction_is_answered_from_the_journal() -> None:
    tracked = created()
    tracked.acks.clear()
    answer = fold_at(1).create_again(tracked, CREATE)
    assert isinstance(answer, Repeated)
    assert (answer.key, answer.record_id) == (("default", "r"), 1)


def test_a_creation_that_is_repeated_after_a_take_over_follows() -> None:
    tracked = created()
    tracked.run.fencing_token = 2
    assert fold_at(1).create_again(tracked, CREATE) == Follow("r", names.RUNNING)


def test_the_id_of_another_requests_run_is_taken() -> None:
    with pytest.raises(DuplicateId):
        fold_at().create_again(created(), replace(CREATE, scope=RunScope("default", "anonymous", "q-2")))


@pytest.mark.parametrize(
    "operation", [append(2), renew(), release(), attach()], ids=lambda o: type(o).__name__
)
@pytest.mark.parametrize(
    ("state", "error"),
    [(names.RUNNING, LeaseLost), (names.CANCELLED, RunCancelled), (names.FAILED, LeaseLost)],
)
def test_a_stale_token_changes_nothing(
    operation: Append | Renew | Release | Attach, state: str, error: type[ConsensusError]
) -> None:
    tracked = created()
    tracked.run.fencing_token, tracked.run.state = 2, state
    before, fold = tracked.run.columns(), fold_at(1)
    with pytest.raises(error):
        getattr(fold, type(operation).__name__.lower())(tracked, operation)
    assert tracked.run.columns() == before
    assert fold.changes == Changes()


def test_a_refused_record_changes_nothing() -> None:
    tracked = created()
    before, fold = tracked.run.columns(), fold_at(1)
    ready = run_event_pb2.DecisionReady(decision=decision())
    with pytest.raises(IllegalState):
        fold.append(tracked, append(2, run_event_pb2.StepSkipped(step="expand"), ready, ready))
    assert tracked.run.columns() == before
    assert fold.changes == Changes()


def test_a_record_extends_no_lease() -> None:
    tracked = created()
    fold_at(5).append(tracked, append(2, run_event_pb2.StepSkipped(step="expand")))
    assert tracked.run.lease_expire_time == NOON + RULES.lease


def test_times_of_a_run_never_go_back() -> None:
    tracked = created()
    fold = fold_at(-60)
    ack = fold.append(tracked, append(2, run_event_pb2.StepSkipped(step="expand")))
    assert isinstance(ack, Ack)
    assert ack.event_time == NOON


def test_an_attempt_that_ends_in_the_batch_in_which_it_began_is_one_row() -> None:
    changes = Changes()
    for columns, seconds in (
        (PreparedRecord.of(first_record()).attempts[0], 0),
        (
            PreparedRecord.of(
                record(2, attempts=[attempt(state=attempt_pb2.ATTEMPT_STATE_SUCCEEDED)])
            ).attempts[0],
            5,
        ),
    ):
        changes.add_attempt(("default", "r"), columns, NOON + timedelta(seconds=seconds))
    (row,) = changes.attempts.values()
    assert (row["state"], row["start_time"]) == ("SUCCEEDED", NOON)


def test_cancelling_fences_the_worker() -> None:
    tracked = created()
    interventions.cancel(Changes(), tracked, SCOPE, NOON)
    with pytest.raises(RunCancelled):
        fold_at(2).append(tracked, append(2))


def test_a_run_is_given_up_after_as_many_barren_take_overs_as_are_allowed() -> None:
    tracked = created()
    for number in range(RULES.max_take_overs):
        fold = fold_at(number)
        assert not claiming.overdue(fold, tracked.run)
        claiming.claim(fold, tracked, WORK)
    fold = fold_at(9)
    assert claiming.overdue(fold, tracked.run)
    claiming.give_up(fold, tracked, UnfinishedWork("expand", ()))
    assert tracked.run.state == names.FAILED


def test_releases_count_as_take_overs_but_not_as_barren_ones() -> None:
    tracked = created()
    for token in range(1, 6):
        fold_at().release(tracked, release(token))
        assert not claiming.overdue(fold_at(), tracked.run)
        claiming.claim(fold_at(), tracked, WORK)
    assert (tracked.run.take_over_count, tracked.run.barren_take_over_count) == (5, 0)


def test_a_resumed_run_is_no_take_over() -> None:
    tracked = created()
    fold_at(1).append(tracked, append(2, run_event_pb2.RunFailed(failure=failure())))
    interventions.resume(Changes(), tracked, SCOPE, NOON + timedelta(seconds=2))
    run = tracked.run
    assert (run.start_time, run.budget_start_time) == (NOON, NOON + timedelta(seconds=2))
    claiming.claim(fold_at(3), tracked, WORK)
    assert (run.take_over_count, run.retry_count) == (0, 1)
