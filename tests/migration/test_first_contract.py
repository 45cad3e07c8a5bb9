"""What was written under the contract's first form reads, replays and verifies, and its keys still match."""

import base64
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from consensus_client import AuditClient
from consensus_journal import checkpoint_from_plain, verify_export
from persistence_service.audit.checkpoints import new_signing_key
from persistence_service.database import normalise_url
from tests.support import first_contract as first
from tests.support.digests import stored_digests
from tests.support.first_contract import Plain, Record
from tests.support.pair import Pair, running_pair
from tests.support.postgres import showing_all

REVIEW = "consensus.v1.ReviewService"
WATCH_RUN, AUDIT_ENTRIES = f"{REVIEW}/WatchRun", "consensus.v1.AuditService/ListAuditEntries"
READS = sorted({record["method"] for record in first.records("sqlite", "read")})


@dataclass(slots=True)
class Kept:
    """The pair of today on the database of then."""

    database: str
    pair: Pair
    review: grpc.Channel
    persistence: grpc.Channel
    checkpoints: Path

    def call(self, method: str, request: Plain, **options: Any) -> first.Outcome:
        channel = self.review if method.startswith(REVIEW) else self.persistence
        return first.call(channel, method, request, **options)

    def records(self, kind: str) -> Iterator[Record]:
        return first.records(self.database, kind)

    def expected(self, record: Record) -> list[Plain]:
        answers = first.with_runs(record["answers"], first.runs(self.database))
        return first.expected(record["method"], answers)

    def counts(self) -> dict[str, int]:
        """Rows per table."""
        with self.connection() as connection:
            return {
                name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                for name in inspect(connection).get_table_names()
            }

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """To the database, past the services."""
        engine = create_engine(normalise_url(showing_all(self.pair.database_url)))
        with engine.connect() as connection:
            yield connection
        engine.dispose()


@pytest.fixture(scope="module", params=first.DATABASES)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The pair, once the run that was queued has ended: then only what a test sends could write."""
    folder = tmp_path_factory.mktemp("first_contract")
    checkpoints = folder / "checkpoints.jsonl"
    shutil.copy(first.FOLDER / request.param / checkpoints.name, checkpoints)
    settings = {
        "AUDIT_SIGNING_KEY": new_signing_key(),
        "AUDIT_CHECKPOINT_FILE": str(checkpoints),
        "AUDIT_CHECKPOINT_SECONDS": "86400",
        **first.SETTINGS,
    }
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'consensus.db'}"
        if request.param == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgres_server").database())
        first.restore(request.param, url)
        pair = stack.enter_context(running_pair(folder, url, persistence=settings))
        review = stack.enter_context(grpc.insecure_channel(pair.review_address))
        persistence = stack.enter_context(grpc.insecure_channel(pair.persistence_address))
        made = Kept(request.param, pair, review, persistence, checkpoints)
        for record in made.records("queued"):
            made.call(WATCH_RUN, {"run_id": record["run_id"]})
        yield made


@pytest.mark.parametrize("method", READS, ids=lambda name: name.partition("/")[2])
def test_what_was_answered_is_answered_again(kept: Kept, method: str) -> None:
    for record in kept.records("read"):
        if record["method"] == method:
            outcome = kept.call(method, record["request"])
            assert outcome.plain() == kept.expected(record), record["request"]


def test_every_run_reads_as_it_did(kept: Kept) -> None:
    states: Counter[str] = Counter()
    for record in kept.records("run"):
        outcome = kept.call(record["method"], record["request"])
        assert outcome.plain() == kept.expected(record)
        states[outcome.plain()[0]["run"]["state"]] += 1
    assert states == {"RUN_STATE_COMPLETED": 10, "RUN_STATE_FAILED": 4, "RUN_STATE_CANCELLED": 1}


def test_every_journal_replays_the_same_events_in_order(kept: Kept) -> None:
    for record in kept.records("events"):
        count = None if record["method"] == WATCH_RUN else len(record["events"])
        outcome = kept.call(record["method"], record["request"], event_count=count)
        events = outcome.events()
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert list(map(first.plain, events)) == first.expected_events(record["method"], record["events"])
        assert outcome.error == record.get("error")
        # What a caller kept as bytes says the same to the stubs of today.
        assert events == [type(events[0]).FromString(base64.b64decode(each)) for each in record["bytes"]]


def test_every_keyed_request_sent_again_has_its_answer_and_no_second_effect(kept: Kept) -> None:
    replayed = {
        record["request"]["run_id"]: first.expected_events(WATCH_RUN, record["events"])
        for record in kept.records("events")
        if record["method"] == WATCH_RUN
    }
    before, calls_before = kept.counts(), kept.pair.control().counters()
    for record in kept.records("keyed"):
        outcome = kept.call(record["method"], record["request"])
        assert outcome.error == record.get("error"), record
        if "answers" in record:
            assert outcome.plain() == kept.expected(record), record
        else:
            assert list(map(first.plain, outcome.events())) == replayed.get(record.get("replays"), [])
    assert kept.counts() == before
    assert kept.pair.control().counters() == calls_before


def test_every_key_is_refused_to_another_request(kept: Kept) -> None:
    before = kept.counts()
    for record in kept.records("keyed"):
        if "other" in record:
            refused = kept.call(record["method"], record["other"])
            assert (refused.error or {}).get("reason") == "IDEMPOTENCY_KEY_REUSED", record
    assert kept.counts() == before


def test_a_run_that_stood_in_the_queue_is_finished_under_its_key(kept: Kept) -> None:
    (record,) = kept.records("queued")
    events = kept.call(WATCH_RUN, {"run_id": record["run_id"]}).events()
    assert list(map(first.plain, events))[:1] == first.expected_events(WATCH_RUN, record["events"])
    assert events[-1].WhichOneof("payload") == "run_completed"
    again = kept.call(record["method"], record["request"]).plain()[0]["run"]
    assert (again["run_id"], again["state"]) == (record["run_id"], "RUN_STATE_COMPLETED")


def test_the_audit_trail_is_whole(kept: Kept) -> None:
    (record,) = kept.records("verdict")
    verdict = kept.call(record["method"], record["request"]).plain()[-1]["verdict"]
    added = int(verdict["entry_count"]) - int(record["verdict"]["entry_count"])
    then = {name: verdict[name] for name in ("stream_count", "checkpoint_count")}
    assert record["verdict"].items() >= then.items()
    assert added > 0  # of the run that was queued
    assert int(verdict["payload_count"]) == 96  # all that is stored is what its entries speak of
    # The service of today has a key of its own, and believes no other's checkpoints.
    assert verdict["findings"] == [{"sequence": 1, "fault": "AUDIT_FAULT_CHECKPOINT"}]


async def test_an_export_is_proven_by_the_checkpoints_and_the_key_of_then(kept: Kept) -> None:
    lines = kept.checkpoints.read_text(encoding="utf-8").splitlines()
    signed = [checkpoint_from_plain(json.loads(line)["checkpoint"]) for line in lines]
    async with AuditClient(kept.pair.persistence_address) as client:
        export = [json.dumps(line) async for line in client.export()]
    verdict = verify_export(lambda: export, signed, public_key=signed[0].public_key)
    assert (verdict.checkpoint_count, verdict.findings) == (2, ())


def test_what_is_stored_has_the_digests_that_were_recorded(kept: Kept) -> None:
    checked: Counter[str] = Counter()
    for run_id in first.runs(kept.database):
        with kept.connection() as connection:
            stored = stored_digests(connection, run_id)
        listing = {"filter": {"stream": f"runs/{run_id}"}, "page_size": 100}
        entries = kept.call(AUDIT_ENTRIES, listing).answers[0].entries
        recorded = {each.sequence: each for each in entries if each.HasField("payload_digest")}
        assert {sequence: each.payload_digest for sequence, each in recorded.items()} == stored
        checked.update(each.event_type for each in recorded.values())
    assert checked == {
        "run.created": 15, "proposal.recorded": 11, "persona_review.recorded": 52, "decision.recorded": 10,
    }  # fmt: skip
