"""Steps are folded from the journal: always all seven, in their order."""

from datetime import UTC, datetime, timedelta

from consensus.v1 import run_pb2
from persistence_service.runs.form.events import RecordedRunEvent
from persistence_service.runs.form.steps import fold_steps
from persistence_service.schema.scalars import to_timestamp
from tests.support.records import PERSONAS

START = datetime(2026, 11, 20, tzinfo=UTC)


def moment(number: int) -> datetime:
    return START + timedelta(seconds=number)


def fold(*entries: tuple[str, str], counts: dict[str, int] | None = None) -> dict[str, run_pb2.Step]:
    """Steps after entries of a kind and a step, one per second."""
    stored = [
        RecordedRunEvent(
            number, moment(number), kind, None, {"step": step, "attempt_count": 1} if step else {}
        )
        for number, (kind, step) in enumerate(entries, start=1)
    ]
    return {step.name: step for step in fold_steps(PERSONAS, stored, counts or {})}


def states(steps: dict[str, run_pb2.Step]) -> set[run_pb2.StepState.ValueType]:
    return {step.state for step in steps.values()}


def test_all_steps_are_pending_before_anything_happened() -> None:
    steps = fold()
    assert list(steps) == ["expand", *(f"review_{persona}" for persona in PERSONAS), "aggregate_decision"]
    assert states(steps) == {run_pb2.STEP_STATE_PENDING}


def test_a_step_has_the_times_of_its_entries() -> None:
    expand = fold(("step.started", "expand"), ("step.completed", "expand"), counts={"expand": 3})["expand"]
    assert (expand.state, expand.attempt_count) == (run_pb2.STEP_STATE_COMPLETED, 3)
    assert expand.start_time == to_timestamp(moment(1))
    assert expand.finish_time == to_timestamp(moment(2))


def test_a_step_that_another_process_goes_on_with_keeps_its_start() -> None:
    expand = fold(("step.started", "expand"), ("run.taken_over", ""), ("step.started", "expand"))["expand"]
    assert (expand.state, expand.start_time) == (run_pb2.STEP_STATE_RUNNING, to_timestamp(moment(1)))


def test_what_was_not_done_is_skipped_when_the_run_ends_without_a_decision() -> None:
    for end in ("run.failed", "run.cancelled"):
        steps = fold(("step.started", "expand"), ("step.failed", "expand"), (end, ""))
        assert steps["expand"].state == run_pb2.STEP_STATE_FAILED
        assert states({k: v for k, v in steps.items() if k != "expand"}) == {run_pb2.STEP_STATE_SKIPPED}


def test_failed_and_skipped_steps_are_pending_again_when_the_run_is_resumed() -> None:
    steps = fold(
        ("step.started", "expand"),
        ("step.completed", "expand"),
        ("step.started", "review_critic"),
        ("step.failed", "review_critic"),
        ("run.failed", ""),
        ("run.resumed", ""),
    )
    assert steps["expand"].state == run_pb2.STEP_STATE_COMPLETED
    critic = steps["review_critic"]
    assert (critic.state, critic.HasField("start_time"), critic.HasField("failure")) == (
        run_pb2.STEP_STATE_PENDING,
        False,
        False,
    )


def test_steps_that_nobody_knows_are_left_out() -> None:
    assert "other" not in fold(("step.started", "other"))
