"""Each rule of the checker fails once what it guards against has happened: real evidence, doctored."""

import asyncio
import copy
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from consensus.v1 import run_event_pb2, run_pb2
from tests.faults.case import Case, running_case
from tests.faults.checker.check import RULES, figures, violations
from tests.faults.checker.evidence import Evidence, ModelCall
from tests.faults.conftest import Stacks
from tests.faults.stack import KEY_CANARY

DECISION, REVIEW = "decision.recorded", "persona_review.recorded"


@pytest.fixture(scope="session")
def sound(stacks: Stacks) -> Evidence:
    """What one completed review left, which its caller followed under a key."""

    async def review() -> Evidence:
        async with running_case(stacks.lend("sqlite"), f"Mark{uuid.uuid4().hex[:12]}") as case:
            return await _reviewed(case)

    return asyncio.run(review())


async def _reviewed(case: Case) -> Evidence:
    caller = await case.stream(case.stack.reviews[0], key=case.mark)
    await caller.rest()
    return case.evidence()


def _run(evidence: Any) -> dict[str, Any]:
    (run,) = evidence.snapshot.runs.values()
    assert isinstance(run, dict)
    return run


def _entries(evidence: Any) -> list[dict[str, Any]]:
    (entries,) = evidence.snapshot.entries.values()
    assert isinstance(entries, list)
    return entries


def _run_id(evidence: Any) -> str:
    (run_id,) = evidence.snapshot.runs
    return str(run_id)


def _unacked_event(evidence: Any) -> None:
    told = evidence.witness.events[_run_id(evidence)]
    told[max(told) + 1] = b""


def _other_event(evidence: Any) -> None:
    evidence.witness.events[_run_id(evidence)][3] = b"another"


def _lost_run(evidence: Any) -> None:
    evidence.witness.started.add("a run that is not there")


def _told_twice(evidence: Any) -> None:
    event = run_event_pb2.RunEvent(run_id=_run_id(evidence), sequence=1)
    evidence.witness.saw(evidence.witness.stream(), event)


def _gap_in_a_stream(evidence: Any) -> None:
    evidence.witness.streams[0].sequences.remove(4)


def _repeat_in_a_stream(evidence: Any) -> None:
    evidence.witness.streams[0].sequences.insert(4, 4)


def _gap_in_the_journal(evidence: Any) -> None:
    del _entries(evidence)[4]


def _entry_too_many(evidence: Any) -> None:
    _run(evidence)["last_sequence"] -= 1


def _row_without_entry(evidence: Any) -> None:
    rows = evidence.snapshot.payloads[REVIEW][_run_id(evidence)]
    rows.append(rows[0] | {"persona_id": "another", "sequence": 99})


def _entry_without_row(evidence: Any) -> None:
    evidence.snapshot.payloads[REVIEW][_run_id(evidence)].pop()


def _uncounted_take_over(evidence: Any) -> None:
    _run(evidence)["take_over_count"] = 1


def _created_twice(evidence: Any) -> None:
    _entries(evidence)[1]["event_type"] = "run.created"


def _state_ahead_of_its_journal(evidence: Any) -> None:
    _run(evidence)["state"] = "CANCELLED"


def _two_decisions(evidence: Any) -> None:
    _entries(evidence)[2]["event_type"] = DECISION


def _completed_undecided(evidence: Any) -> None:
    next(e for e in _entries(evidence) if e["event_type"] == DECISION)["event_type"] = "step.skipped"


def _other_decision(evidence: Any) -> None:
    (message,) = evidence.snapshot.messages.values()
    assert isinstance(message, run_pb2.Run)
    message.persona_reviews[0].confidence_score = 0.0101


def _unfinished(evidence: Any) -> None:
    _run(evidence)["state"] = "RUNNING"


def _overdue_lease(evidence: Any) -> None:
    _run(evidence).update(
        {"state": "RUNNING", "lease_expire_time": evidence.snapshot.now - timedelta(minutes=1)}
    )


def _lease_of_an_ended_run(evidence: Any) -> None:
    _run(evidence)["lease_expire_time"] = evidence.snapshot.now


def _edited_entry(evidence: Any) -> None:
    _entries(evidence)[5]["caller"] = "somebody else"


def _cut_off_head(evidence: Any) -> None:
    _entries(evidence).pop()


def _two_runs_of_a_key(evidence: Any) -> None:
    next(iter(evidence.witness.runs_of_key.values())).add("another run")


def _key_of_no_run(evidence: Any) -> None:
    evidence.snapshot.keys[0]["run_id"] = "another run"


def _key_not_kept(evidence: Any) -> None:
    evidence.snapshot.keys.clear()


def _key_in_a_log(evidence: Any) -> None:
    evidence.logs["review0"] += f"key {KEY_CANARY}"


def _key_in_an_error(evidence: Any) -> None:
    evidence.witness.texts.append(f"key {KEY_CANARY}")


def _idea_in_the_journal(evidence: Any) -> None:
    _entries(evidence)[0]["data"]["idea"] = evidence.canaries[1]


def _unrecorded_call(evidence: Any) -> None:
    evidence.calls.append(ModelCall(_run_id(evidence), "review_critic", 7, 1, 0, 0))


def _attempt_sent_twice(evidence: Any) -> None:
    call = evidence.calls[0]
    evidence.calls[0] = ModelCall(call.run_id, call.step, call.attempt, 2, 2, 1)


def _asked_again(evidence: Any) -> None:
    evidence.calls.append(ModelCall(_run_id(evidence), "review_critic", 2, 1, 1, 1))


def _acknowledged_unanswered(evidence: Any) -> None:
    call = evidence.calls[0]
    evidence.calls[0] = ModelCall(call.run_id, call.step, call.attempt, 1, 0, 0)


def _paid_for_twice(evidence: Any) -> None:
    attempts = evidence.snapshot.attempts[_run_id(evidence)]
    attempts.append(attempts[0] | {"attempt_number": 2})


def _paid_for_nothing(evidence: Any) -> None:
    rows = evidence.snapshot.payloads[REVIEW][_run_id(evidence)]
    rows.clear()


def _attempt_left_open(evidence: Any) -> None:
    evidence.snapshot.attempts[_run_id(evidence)][0]["state"] = "STARTED"


DOCTORED: list[tuple[str, Callable[[Any], None]]] = [
    ("acked_is_stored", _unacked_event),
    ("acked_is_stored", _other_event),
    ("acked_is_stored", _lost_run),
    ("acked_is_stored", _told_twice),
    ("streams_have_no_gap", _gap_in_a_stream),
    ("streams_have_no_gap", _repeat_in_a_stream),
    ("sequences_are_gapless", _gap_in_the_journal),
    ("sequences_are_gapless", _entry_too_many),
    ("each_change_has_one_entry", _row_without_entry),
    ("each_change_has_one_entry", _entry_without_row),
    ("each_change_has_one_entry", _uncounted_take_over),
    ("each_change_has_one_entry", _created_twice),
    ("states_follow_the_journal", _state_ahead_of_its_journal),
    ("at_most_one_decision", _two_decisions),
    ("at_most_one_decision", _completed_undecided),
    ("decisions_recompute", _other_decision),
    ("every_run_ends", _unfinished),
    ("no_lease_is_overdue", _overdue_lease),
    ("no_lease_is_overdue", _lease_of_an_ended_run),
    ("chains_verify", _edited_entry),
    ("chains_verify", _cut_off_head),
    ("one_run_per_key", _two_runs_of_a_key),
    ("one_run_per_key", _key_of_no_run),
    ("one_run_per_key", _key_not_kept),
    ("no_canary_gets_out", _key_in_a_log),
    ("no_canary_gets_out", _key_in_an_error),
    ("no_canary_gets_out", _idea_in_the_journal),
    ("calls_are_recorded_first", _unrecorded_call),
    ("calls_are_recorded_first", _attempt_sent_twice),
    ("finished_steps_are_paid_once", _asked_again),
    ("finished_steps_are_paid_once", _acknowledged_unanswered),
    ("results_have_one_good_attempt", _paid_for_twice),
    ("results_have_one_good_attempt", _paid_for_nothing),
    ("no_attempt_is_left_open", _attempt_left_open),
]


@pytest.mark.parametrize(("rule", "doctor"), DOCTORED, ids=[doctor.__name__[1:] for _, doctor in DOCTORED])
def test_a_rule_fails_on_what_it_guards_against(
    sound: Evidence, rule: str, doctor: Callable[[Any], None]
) -> None:
    doctored = copy.deepcopy(sound)
    doctor(doctored)

    assert rule in {found.split(":")[0] for found in violations(doctored)}


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule.__name__ for rule in RULES} == {name for name, _ in DOCTORED}


def test_sound_evidence_breaks_no_rule_and_is_counted(sound: Evidence) -> None:
    counted = figures(sound)

    assert (counted.violations, counted.runs, counted.model_calls) == (0, 1, 6)
    assert counted.outcomes == {"COMPLETED": 1}


def test_an_answer_that_was_lost_counts_as_paid_twice(sound: Evidence) -> None:
    doctored: Any = copy.deepcopy(sound)
    doctored.snapshot.attempts[_run_id(doctored)][0]["state"] = "UNKNOWN"

    assert figures(doctored).double_paid_attempts == 1
