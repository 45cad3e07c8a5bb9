"""What is stored of a message is all of it: through rows and JSON and back, byte for byte."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, decision_pb2, panel_pb2, proposal_pb2, run_event_pb2, run_pb2
from consensus_journal import digest
from consensus_rpc.errors import InvalidField
from persistence_service.runs.form import decisions, payloads
from persistence_service.runs.form.attempts import attempt_columns, attempt_message
from persistence_service.runs.form.entries import item_entry
from persistence_service.runs.form.events import RecordedRunEvent, run_event
from persistence_service.runs.form.materials import complete
from persistence_service.runs.form.specification import (
    canonical_specification,
    specification_message,
    specification_row,
)
from persistence_service.schema.scalars import from_timestamp, to_timestamp
from tests.support import messages, records

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


def as_bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def stored(columns: Any) -> Any:
    """As a database hands it back: JSON in and out, keys in any order."""
    return json.loads(json.dumps(columns, sort_keys=True))


@given(messages.payloads)
def test_an_event_that_is_read_is_the_one_that_was_sent(payload: Message) -> None:
    item = records.item_of(payload)
    kind = item.WhichOneof("item")
    assert kind is not None
    sent = run_event_pb2.RunEvent(run_id="r", sequence=7, event_time=to_timestamp(NOW))
    getattr(sent, kind).CopyFrom(payload)
    getattr(sent, kind).SetInParent()
    event = item_entry(item)
    draft = event.entry
    entry = RecordedRunEvent(
        7,
        NOW,
        draft.event_type,
        draft.persona_id,
        stored(draft.data),
        event.payload and stored(event.payload),
    )
    assert as_bytes(run_event("r", entry)) == as_bytes(sent)


@given(messages.specifications)
def test_a_specification_is_kept_whole(sent: run_pb2.RunSpecification) -> None:
    row = specification_row(sent, HOUR)
    columns = {
        "user_id": row.user,
        "idea": row.idea,
        "context": row.context,
        "draft_id": row.draft_id,
        "settings": stored(row.settings),
        "about": row.material and stored(row.material["about"]),
    }
    read = specification_message(columns)
    if row.material is not None:
        complete(read, stored(row.material))
    assert as_bytes(read) == as_bytes(sent)


@given(messages.attempts)
def test_an_attempt_is_kept_whole(sent: attempt_pb2.Attempt) -> None:
    read = attempt_message(attempt_columns(sent) | {"start_time": NOW})
    sent.start_time.CopyFrom(to_timestamp(NOW))
    assert as_bytes(read) == as_bytes(sent)


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001 - below
def test_instants_are_kept_to_the_microsecond(naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC)
    assert from_timestamp(to_timestamp(instant), "t") == instant


def with_units(stored: Any) -> Any:
    """As some releases stored it: scores under names that say their unit."""
    scores = ("weight", "confidence_score", "contribution", "fresh_weight")
    if isinstance(stored, dict):
        return {
            f"{key}_ten_thousandths" if key in scores else key: with_units(each)
            for key, each in stored.items()
        }
    return [with_units(each) for each in stored] if isinstance(stored, list) else stored


def test_scores_in_the_journal_say_their_unit_and_those_in_payloads_are_short() -> None:
    item = records.item_of(run_event_pb2.DecisionReady(decision=records.decision()))
    made = item_entry(item)
    assert made.payload is not None
    assert made.entry.data["confidence_ten_thousandths"] == 8123
    assert made.payload["content"]["contributions"][0] == {
        "persona_id": "architect",
        "weight": 2500,
        "confidence_score": 8123,
        "contribution": 2031,
    }
    settings = specification_row(records.specification(), HOUR).settings
    assert settings["personas"][0]["weight"] == 2500


@given(messages.decisions)
def test_scores_that_say_their_unit_are_read_too(sent: decision_pb2.Decision) -> None:
    columns = with_units(stored(decisions.decision_payload(sent).columns))
    assert as_bytes(decisions.decision_message(columns)) == as_bytes(sent)


@given(messages.reviews)
def test_the_digest_is_that_of_the_columns_as_they_are_read(review: panel_pb2.PersonaReview) -> None:
    payload = payloads.review_payload(review)
    assert payloads.payload_of(stored(payload.columns), "x").digest == payload.digest


def test_a_run_without_a_timeout_has_the_default() -> None:
    row = specification_row(run_pb2.RunSpecification(idea="x"), HOUR)
    assert row.run_timeout_microseconds == 3_600_000_000


def test_spans_beyond_what_json_says_exactly_are_refused() -> None:
    with pytest.raises(InvalidField):
        specification_row(run_pb2.RunSpecification(idea="x", run_timeout=Duration(seconds=10**7)), HOUR)


def test_every_part_of_a_specification_counts_in_its_digest() -> None:
    one = specification_row(records.specification(), HOUR)
    for other in (
        records.specification(idea="Another."),
        records.specification(user="u-2"),
        records.specification(context=run_pb2.ExtraContext(text="More.")),
        records.specification(expand_model="m"),
    ):
        assert specification_row(other, HOUR).digest != one.digest


@pytest.mark.parametrize(
    ("draft_id", "recorded_with_units", "recorded"),
    [
        (
            "",
            "5a5cbe55bbe4e79ef423950bdf938694464fcbc19b15dfb3810de86e55bc688d",
            "2ec89967432cf946208a2b81400848f970e524ac7c3171636d4cb16de2ffb688",
        ),
        (
            "d-9",
            "f5367761f115485cae9c2e60a86e0fa37d7d77ab9554844800348e8057d0b72a",
            "768b8bff1b930dc7da6192b9a32421a71009b469aea6ceb1885aea6a41fae182",
        ),
    ],
)
def test_the_digest_of_a_specification_stays_what_it_was(
    draft_id: str, recorded_with_units: str, recorded: str
) -> None:
    row = specification_row(records.specification(draft_id=draft_id), HOUR)
    texts = {"user": row.user, "idea": row.idea, "context": row.context}
    other = canonical_specification(texts, with_units(row.settings), row.draft_id, None, None)
    assert (digest(other).hex(), row.digest.hex()) == (recorded_with_units, recorded)


def test_settings_are_told_apart_by_their_digest_and_not_by_what_is_the_runs_own() -> None:
    one = specification_row(records.specification(), HOUR)
    for same in (
        records.specification(idea="Another."),
        records.specification(user="u-2"),
        records.specification(context=run_pb2.ExtraContext(text="More.")),
        records.specification(draft_id="d-9"),
    ):
        assert specification_row(same, HOUR).settings_digest == one.settings_digest
    for other in (
        records.specification(expand_model="m"),
        records.specification(retry_policy=run_pb2.RetryPolicy(backoff_multiplier=2.25)),
        records.specification(personas=[panel_pb2.Persona(persona_id="another")]),
    ):
        assert specification_row(other, HOUR).settings_digest != one.settings_digest


@pytest.mark.parametrize("score", [0.12345, float("nan"), float("inf"), 1 / 3])
def test_scores_beyond_four_decimals_are_refused(score: float) -> None:
    with pytest.raises(InvalidField):
        payloads.review_payload(records.review("critic", score))


def test_nul_is_refused_wherever_it_stands_and_backslashes_are_not() -> None:
    with pytest.raises(InvalidField):
        payloads.proposal_payload(proposal_pb2.Proposal(assumptions=["a\x00b"]))
    payloads.proposal_payload(proposal_pb2.Proposal(assumptions=["a\\u0000b"]))


def test_nul_in_an_invalid_answer_is_replaced() -> None:
    assert attempt_columns(attempt_pb2.Attempt(raw_output="a\x00b"))["raw_output"] == "a\ufffdb"


def test_a_temperature_beyond_the_tables_is_refused() -> None:
    with pytest.raises(InvalidField):
        attempt_columns(attempt_pb2.Attempt(temperature=3e7))


def test_infinite_numbers_in_a_context_are_refused() -> None:
    specification = run_pb2.RunSpecification(idea="x")
    specification.context.object["n"] = float("inf")
    with pytest.raises(InvalidField):
        specification_row(specification, HOUR)


def test_a_decision_needs_a_label_and_comes_without_notes() -> None:
    for broken in (
        decision_pb2.Decision(),
        decision_pb2.Decision(label=decision_pb2.DECISION_LABEL_APPROVE, decision_notes="n"),
    ):
        with pytest.raises(InvalidField):
            decisions.decision_payload(broken)


def test_an_item_of_a_later_release_is_refused() -> None:
    with pytest.raises(InvalidField):
        item_entry(persistence_service_pb2.RecordItem())


def test_reasons_of_a_later_release_are_kept() -> None:
    failure = run_pb2.RunFailure(reason=999)  # type: ignore[arg-type]  # unknown to this release
    columns = stored(decisions.run_failure_columns(failure))
    assert decisions.run_failure_message(columns) == failure
