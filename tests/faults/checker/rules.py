"""The rules on runs and their journals; each yields a sentence per violation. Pure."""

from collections import Counter
from collections.abc import Iterator

from consensus_decision.decision import decide
from consensus_journal.chain import Entry
from consensus_journal.verify import Head, verify_against
from persistence_service.runs.form import names
from persistence_service.runs.form.event_types import DECISION
from persistence_service.schema.scalars import microseconds
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.snapshot import Row

TERMINAL = {
    names.COMPLETED: "run.completed",
    names.FAILED: "run.failed",
    names.CANCELLED: "run.cancelled",
}
_AFTER_THE_END = {"decision.annotated"}
_COUNTED = {"run.resumed": "retry_count", "run.taken_over": "take_over_count"}


def acked_is_stored(evidence: Evidence) -> Iterator[str]:
    """What a caller was told stands in the database, to the byte."""
    yield from evidence.witness.contradictions
    for run_id in sorted(evidence.witness.started - evidence.snapshot.runs.keys()):
        yield f"{run_id} was acknowledged and is not there"
    for run_id, told in evidence.witness.events.items():
        stored = evidence.snapshot.events.get(run_id, {})
        for sequence, payload in told.items():
            if sequence not in stored:
                yield f"{run_id} event {sequence} was acknowledged and is not there"
            elif stored[sequence] != payload:
                yield f"{run_id} event {sequence} is stored otherwise than it was told"


def streams_have_no_gap(evidence: Evidence) -> Iterator[str]:
    """A stream brings each event once, in order, from where it was asked to begin."""
    for stream in evidence.witness.streams:
        expected = list(range(stream.after + 1, stream.after + 1 + len(stream.sequences)))
        if stream.sequences != expected:
            yield f"{stream.run_id} was streamed after {stream.after} as {stream.sequences}"


def sequences_are_gapless(evidence: Evidence) -> Iterator[str]:
    """A run's journal is 1 to n, and the run knows n."""
    for run_id, run in evidence.snapshot.runs.items():
        found = [entry["sequence"] for entry in evidence.snapshot.entries.get(run_id, ())]
        if found != list(range(1, run["last_sequence"] + 1)):
            yield f"{run_id} has the sequences {found}, and {run['last_sequence']} as its last"


def each_change_has_one_entry(evidence: Evidence) -> Iterator[str]:
    """Rows and journal entries belong to each other one to one, and so do states and counts."""
    snapshot = evidence.snapshot
    for kind, rows_of in snapshot.payloads.items():
        for run_id in snapshot.runs.keys() | rows_of.keys():
            rows = sorted(row["sequence"] for row in rows_of.get(run_id, ()))
            entries = [e["sequence"] for e in snapshot.entries.get(run_id, ()) if e["event_type"] == kind]
            if rows != entries:
                yield f"{run_id} has {kind} entries {entries} and rows {rows}"
    for run_id, run in snapshot.runs.items():
        counts = Counter(entry["event_type"] for entry in snapshot.entries.get(run_id, ()))
        if counts["run.created"] != 1:
            yield f"{run_id} was created {counts['run.created']} times"
        for kind, column in _COUNTED.items():
            if counts[kind] != run[column]:
                yield f"{run_id} has {counts[kind]} {kind} entries and {column} {run[column]}"


def states_follow_the_journal(evidence: Evidence) -> Iterator[str]:
    """A run stands where its journal ends."""
    for run_id, run in evidence.snapshot.runs.items():
        kinds = [entry["event_type"] for entry in evidence.snapshot.entries.get(run_id, ())]
        while kinds and kinds[-1] in _AFTER_THE_END:
            kinds.pop()
        last = kinds[-1] if kinds else ""
        wanted = TERMINAL.get(run["state"])
        if (last != wanted) if wanted else (last in TERMINAL.values()):
            yield f"{run_id} is {run['state']}, and its journal ends with {last}"


def at_most_one_decision(evidence: Evidence) -> Iterator[str]:
    """A run is decided once, and is completed if and only if it is decided."""
    for run_id, run in evidence.snapshot.runs.items():
        entries = evidence.snapshot.entries.get(run_id, ())
        decisions = sum(entry["event_type"] == DECISION for entry in entries)
        if decisions > 1:
            yield f"{run_id} was decided {decisions} times"
        if (run["state"] == names.COMPLETED) != (decisions == 1):
            yield f"{run_id} is {run['state']} with {decisions} decisions"


def decisions_recompute(evidence: Evidence) -> Iterator[str]:
    """The stored decision is what its reviews and suspicions come to."""
    for run_id, run in evidence.snapshot.messages.items():
        if not run.HasField("decision"):
            continue
        missing = {
            step.name.removeprefix("review_"): step.failure.reason
            for step in run.steps
            if step.HasField("failure")
        }
        reviews, suspected = list(run.persona_reviews), run.suspicions
        again = decide(run.specification, reviews, missing, suspicions=suspected)
        again.decision_notes = run.decision.decision_notes
        if again.SerializeToString(deterministic=True) != run.decision.SerializeToString(deterministic=True):
            yield f"{run_id} has a decision that its reviews do not come to"


def every_run_ends(evidence: Evidence) -> Iterator[str]:
    """Every run that was accepted has ended."""
    for run_id, run in evidence.snapshot.runs.items():
        if run["state"] not in TERMINAL:
            yield f"{run_id} is {run['state']}, at event {run['last_sequence']}"


def no_lease_is_overdue(evidence: Evidence) -> Iterator[str]:
    """A run that nobody works on is claimed within the sweep."""
    for run_id, run in evidence.snapshot.runs.items():
        ends = run["lease_expire_time"]
        if run["state"] == names.RUNNING and ends and ends + evidence.lease_slack < evidence.snapshot.now:
            yield f"{run_id} is open, and its lease ended at {ends}"
        if run["state"] in TERMINAL and ends is not None:
            yield f"{run_id} is {run['state']} and has a lease"


def chains_verify(evidence: Evidence) -> Iterator[str]:
    """Each journal's hashes are those of its entries, up to the head."""
    for run_id, run in evidence.snapshot.runs.items():
        entries = map(_entry, evidence.snapshot.entries.get(run_id, ()))
        finding = verify_against(entries, Head(run["last_sequence"], bytes(run["head_hash"])), [])
        if finding is not None:
            yield f"{run_id} entry {finding.sequence}: {finding.fault}"


def one_run_per_key(evidence: Evidence) -> Iterator[str]:
    """A key means one run, and that run is there."""
    for key, told in evidence.witness.runs_of_key.items():
        if len(told) > 1:
            yield f"the key {key} was answered with the runs {sorted(told)}"
    for row in evidence.snapshot.keys:
        if row["run_id"] is not None and row["run_id"] not in evidence.snapshot.runs:
            yield f"the key {row['key']} stands for {row['run_id']}, which is not there"
    kept = {row["key"]: row["run_id"] for row in evidence.snapshot.keys}
    for key, told in evidence.witness.runs_of_key.items():
        if told != {kept.get(key)}:
            yield f"the key {key} was answered with {sorted(told)} and stands for {kept.get(key)}"


def no_canary_gets_out(evidence: Evidence) -> Iterator[str]:
    """Neither secrets nor content stand in what a process writes, in errors, or in the journal."""
    said = dict(evidence.logs) | {"errors": "\n".join(evidence.witness.texts)}
    said["audit_log"] = "\n".join(
        str(entry["data"]) for entries in evidence.snapshot.entries.values() for entry in entries
    )
    for name, text in said.items():
        for number, canary in enumerate(evidence.canaries):
            if canary in text:
                yield f"canary {number} stands in {name}"


def _entry(row: Row) -> Entry:
    digest = row["payload_digest"]
    return Entry(
        tenant=row["tenant"],
        stream=row["stream"],
        sequence=row["sequence"],
        event_time_us=microseconds(row["event_time"]),
        event_type=row["event_type"],
        caller=row["caller"],
        user=row["user_id"],
        request_id=row["request_id"],
        severity=row["severity"],
        persona_id=row["persona_id"],
        data=row["data"],
        record_id=row["record_id"],
        payload_digest=None if digest is None else bytes.fromhex(digest),
        previous_hash=bytes.fromhex(row["previous_hash"]),
    )
