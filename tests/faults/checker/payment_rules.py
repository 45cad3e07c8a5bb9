"""The rules on calls to the model: what was paid for, and how often. Pure."""

from collections.abc import Iterator

from persistence_service.runs.form import names
from persistence_service.runs.form.event_types import PROPOSAL, REVIEW
from tests.faults.checker.evidence import Evidence, ModelCall

SUCCEEDED = "SUCCEEDED"
Step = tuple[str, str]
"""Run id and step."""


def calls_are_recorded_first(evidence: Evidence) -> Iterator[str]:
    """Each call has an attempt of its own, which was there before its bytes left."""
    recorded = {
        (row["run_id"], row["step"], row["attempt_number"])
        for rows in evidence.snapshot.attempts.values()
        for row in rows
    }
    for call in evidence.calls:
        if (call.run_id, call.step, call.attempt) not in recorded:
            yield f"{_name(call)} was made and is not recorded"
        if call.started > 1:
            yield f"{_name(call)} was made {call.started} times"


def results_have_one_good_attempt(evidence: Evidence) -> Iterator[str]:
    """A result that is stored has one acknowledged call, and the other way round."""
    succeeded, stored = _good_attempts(evidence), _stored_results(evidence)
    for step in sorted(stored):
        if len(succeeded.get(step, ())) != 1:
            yield f"{'/'.join(step)} is stored, with the good attempts {succeeded.get(step, [])}"
    for step in sorted(succeeded.keys() - stored):
        if step[0] in evidence.snapshot.runs:
            yield f"{'/'.join(step)} has a good attempt and no result"


def finished_steps_are_paid_once(evidence: Evidence) -> Iterator[str]:
    """What is acknowledged was answered once, and nothing was asked after it."""
    succeeded = _good_attempts(evidence)
    for call in evidence.calls:
        good = succeeded.get((call.run_id, call.step))
        if good and call.attempt > good[0]:
            yield f"{_name(call)} was made after attempt {good[0]} was acknowledged"
        if good and call.attempt == good[0] and call.succeeded != 1:
            yield f"{_name(call)} is acknowledged, and was answered well {call.succeeded} times"


def no_attempt_is_left_open(evidence: Evidence) -> Iterator[str]:
    """Of a run that has ended no attempt is in flight."""
    for run_id, run in evidence.snapshot.runs.items():
        if run["state"] in names.OPEN:
            continue
        for row in evidence.snapshot.attempts.get(run_id, ()):
            if row["state"] == names.STARTED:
                yield f"{run_id} has ended, and {row['step']} attempt {row['attempt_number']} has not"


def double_paid(evidence: Evidence) -> int:
    """Attempts that the model answered well and whose answer was lost: bounded, and visible as UNKNOWN."""
    unknown = {
        (row["run_id"], row["step"], row["attempt_number"])
        for rows in evidence.snapshot.attempts.values()
        for row in rows
        if row["state"] == names.UNKNOWN
    }
    return sum(call.succeeded for call in evidence.calls if (call.run_id, call.step, call.attempt) in unknown)


def _good_attempts(evidence: Evidence) -> dict[Step, list[int]]:
    found: dict[Step, list[int]] = {}
    for rows in evidence.snapshot.attempts.values():
        for row in rows:
            if row["state"] == SUCCEEDED:
                found.setdefault((row["run_id"], row["step"]), []).append(row["attempt_number"])
    return found


def _stored_results(evidence: Evidence) -> set[Step]:
    payloads = evidence.snapshot.payloads
    proposals = {(run_id, "expand") for run_id, rows in payloads[PROPOSAL].items() if rows}
    reviews = {
        (run_id, f"review_{row['persona_id']}") for run_id, rows in payloads[REVIEW].items() for row in rows
    }
    return proposals | reviews


def _name(call: ModelCall) -> str:
    return f"{call.run_id}/{call.step} attempt {call.attempt}"
