"""A database that was written under the contract's first form, and what the pair answered about it then.

Answers are kept as JSON in that form's names. Where today's contract says the same in another way, `CHANGED`
says how; nothing that is kept is ever rewritten. Events come out of a stream's message in `events_in`.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import psycopg2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from consensus.v1 import (
    audit_service_pb2,
    draft_service_pb2,
    event_service_pb2,
    idempotency_service_pb2,
    metric_service_pb2,
    review_service_pb2,
)
from consensus_rpc.channel.status import error_from_rpc
from persistence_service.database import Database, DatabaseOptions, normalise_url
from persistence_service.database.migrating import upgrade
from tests.support.postgres import showing_all

FOLDER = Path(__file__).resolve().parents[1] / "migration" / "first_contract"
REVISION = "0010"
DATABASES = ("sqlite", "postgresql")
SETTINGS = {"RETENTION_DAYS": "36500"}
"""What was in force, and shows in answers: how long until a deleted run is purged."""

Plain = dict[str, Any]
Record = dict[str, Any]

_RENAMED = {
    ("Attempt", "is_repair"): "repair",
    ("Completeness", "is_complete"): "complete",
    ("Concern", "is_blocking"): "blocking",
    ("DraftCompleted", "is_title_changed"): "title_changed",
    ("DraftUpdated", "is_title_changed"): "title_changed",
    ("ModelRoute", "has_api_key"): "api_key_configured",
    ("PersonaDiff", "security_after"): "security_critical_after",
    ("PersonaDiff", "security_before"): "security_critical_before",
    ("PersonaReview", "security_concerns_present"): "security_critical_issues_present",
    ("Run", "expire_time"): "deadline_time",
    ("Run", "retry_count"): "resume_count",
    ("RunResumed", "retry_count"): "resume_count",
    ("RunTakenOver", "was_released"): "released",
    ("Step", "step"): "name",
    ("UserAnalytics", "average_hold_time"): "average_hold_duration",
}


def _renamed(today: str) -> Callable[[Any], Plain]:
    return lambda value: {today: value}


def _as_double(today: str) -> Callable[[Any], Plain]:
    return lambda ten_thousandths: {today: ten_thousandths / 10_000}


CHANGED: dict[tuple[str, str], Callable[[Any], Plain]] = {
    **{field: _renamed(today) for field, today in _RENAMED.items()},
    **{
        ("ScoreDiff", f"{today}_ten_thousandths"): _as_double(today) for today in ("before", "after", "delta")
    },
}
"""By message and field as both were called: the fields that stand in its place today, made of its value."""

_ADDED = {
    "PersonaDiff": ("stale_sections",),
    "PersonaReview": ("stale_sections",),
    "Run": ("turnout", "assessment"),
}
"""By message: what answers say today, of such a database too, and did not say then."""

_SERVICES: dict[str, ServiceDescriptor] = {
    service.full_name: service
    for file in (
        audit_service_pb2,
        draft_service_pb2,
        event_service_pb2,
        idempotency_service_pb2,
        metric_service_pb2,
        review_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
}
# Signed with a secret of the database, which is not kept.
_NOT_COMPARED = frozenset({"page_token", "next_page_token"})
_EVENTS = frozenset({"RunEvent", "DraftEvent"})
_CALL_SECONDS = 30.0


@dataclass(slots=True)
class Outcome:
    """What a call answered, and the code and reason that it ended with where it failed."""

    answers: list[Any] = field(default_factory=list)
    error: Plain | None = None

    def plain(self) -> list[Plain]:
        """The answers as JSON, without what differs from one copy of a database to the next."""
        return [_compared(plain(answer)) for answer in self.answers]

    def events(self) -> list[Any]:
        """The events of the answers, in order."""
        return [event for answer in self.answers for event in events_in(answer)]


def events_in(message: Any) -> list[Any]:
    """The events that one message of a stream carries, whether it has room for one or for many."""
    of = _event_field(message.DESCRIPTOR)
    found = [value for each, value in message.ListFields() if each.name == of.name]
    return [event for value in found for event in value] if of.is_repeated else found


def plain(message: Message) -> Plain:
    """A message as JSON, with the names of the contract and no more than it said then."""
    said = type(message).FromString(message.SerializeToString())
    _take_out_added(said)
    return MessageToDict(said, preserving_proto_field_name=True)


def _take_out_added(message: Message) -> None:
    for name in _ADDED.get(message.DESCRIPTOR.name, ()):
        message.ClearField(name)
    for of, value in message.ListFields():
        if of.message_type is not None and not of.message_type.GetOptions().map_entry:
            for each in value if of.is_repeated else [value]:
                _take_out_added(each)


def call(channel: grpc.Channel, method: str, request: Plain, *, event_count: int | None = None) -> Outcome:
    """Makes a call that was recorded; a stream is left once it has brought `event_count` events."""
    outcome = Outcome()
    try:
        for message in _answers(channel, _method(method), request):
            outcome.answers.append(message)
            if event_count is not None and len(outcome.events()) >= event_count:
                break
    except grpc.RpcError as error:
        known = error_from_rpc(error)
        outcome.error = {"code": known.status_code.name, "reason": known.reason_name}
    return outcome


def _answers(channel: grpc.Channel, method: MethodDescriptor, request: Plain) -> Iterator[Any]:
    message = ParseDict(in_todays_words(method.input_type, request), GetMessageClass(method.input_type)())
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    rpc: Any = make(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    answer = rpc(message, timeout=_CALL_SECONDS)
    if not method.server_streaming:
        yield answer
        return
    try:
        yield from answer
    finally:
        answer.cancel()


def expected(method: str, answers: list[Plain]) -> list[Plain]:
    """Recorded answers as today's contract says them."""
    return [_compared(in_todays_words(_method(method).output_type, answer)) for answer in answers]


def expected_events(method: str, events: list[Plain]) -> list[Plain]:
    """Recorded events of a stream as today's contract says them."""
    of = _event_field(_method(method).output_type)
    return [_value(of, event) for event in events]


def in_todays_words(message: Descriptor, recorded: Plain) -> Plain:
    """Recorded JSON of a message with the names and forms of today's contract."""
    said: Plain = {}
    for name, value in recorded.items():
        change = CHANGED.get((message.name, name))
        for today, moved in ({name: value} if change is None else change(value)).items():
            said[today] = _value(message.fields_by_name[today], moved)
    return said


def _value(of: FieldDescriptor, value: Any) -> Any:
    kind = of.message_type
    # JSON data of callers, and instants and spans, have no fields of ours.
    if kind is None or kind.file.package == "google.protobuf" or kind.GetOptions().map_entry:
        return value
    if isinstance(value, list):
        return [in_todays_words(kind, each) for each in value]
    return in_todays_words(kind, value)


def _event_field(message: Descriptor) -> FieldDescriptor:
    return next(each for each in message.fields if each.message_type and each.message_type.name in _EVENTS)


def _compared(answer: Plain) -> Plain:
    return {name: value for name, value in answer.items() if name not in _NOT_COMPARED}


def _method(name: str) -> MethodDescriptor:
    service, _, method = name.partition("/")
    found: MethodDescriptor = _SERVICES[service].methods_by_name[method]
    return found


@cache
def _records(database: str) -> tuple[Record, ...]:
    with (FOLDER / database / "answers.jsonl").open(encoding="utf-8") as file:
        return tuple(json.loads(line) for line in file)


def records(database: str, kind: str) -> Iterator[Record]:
    """What was recorded of one kind, in the order in which it was asked; see `with_runs`."""
    return (record for record in _records(database) if record["kind"] == kind)


def with_runs(answers: list[Plain], runs: dict[str, Plain]) -> list[Plain]:
    """Answers in which a run stands whole where only its id was kept, because it was what GetRun answered."""
    return [
        answer | {"run": runs[answer["run"]]} if isinstance(answer.get("run"), str) else answer
        for answer in answers
    ]


def runs(database: str) -> dict[str, Plain]:
    """What GetRun answered, by id."""
    return {record["request"]["run_id"]: record["answers"][0]["run"] for record in records(database, "run")}


def restore(database: str, url: str) -> None:
    """Makes an empty database what it was: on PostgreSQL the revision of then makes the tables."""
    script = (FOLDER / database / "database.sql").read_text(encoding="utf-8")
    if database == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.executescript(script)
        return
    with Database(DatabaseOptions(url=normalise_url(url))).maintenance() as engine:
        upgrade(engine, REVISION)
    with closing(psycopg2.connect(showing_all(url))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(script)
