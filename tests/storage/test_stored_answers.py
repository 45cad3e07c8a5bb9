"""Keys whose answer is stored: one effect, the same answer, until the key expires."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consensus.v1 import event_service_pb2 as pb
from consensus_contract.errors import IdempotencyKeyReused
from consensus_journal import digest
from persistence_service.database import Database
from persistence_service.idempotency.answers import AnswerClaim, answered_once, request_fingerprint
from persistence_service.idempotency.claims import KeyScope
from tests.support.serving import stamp, struct

CLAIM = AnswerClaim(KeyScope("default", "billing", "event.append", "", "k"), digest(b"a request"))
NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
TTL = timedelta(hours=1)
ASKERS = 16


class Effect:
    """Counts how often it happened."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> bytes:
        self.count += 1
        return b"answer %d" % self.count


def ask(
    database: Database, effect: Callable[[], bytes], claim: AnswerClaim = CLAIM, now: datetime = NOW
) -> bytes:
    return database.unit_of_work(
        lambda connection: answered_once(connection, claim, now, now + TTL, effect),
        isolation="READ COMMITTED",
    )


def test_the_same_request_has_one_effect_and_one_answer(database: Database) -> None:
    effect = Effect()
    assert [ask(database, effect) for _ in range(3)] == [b"answer 1"] * 3
    assert effect.count == 1


def test_of_many_at_once_one_has_the_effect(database: Database) -> None:
    effect = Effect()
    with ThreadPoolExecutor(ASKERS) as threads:
        answers = list(threads.map(lambda _: ask(database, effect), range(ASKERS)))
    assert len(set(answers)) == 1


def test_another_request_is_refused_without_effect(database: Database) -> None:
    effect = Effect()
    ask(database, effect)
    with pytest.raises(IdempotencyKeyReused):
        ask(database, effect, replace(CLAIM, fingerprint=digest(b"another")))
    assert effect.count == 1


@pytest.mark.parametrize("field", ["tenant", "caller", "operation", "resource", "key"])
def test_each_part_of_the_scope_tells_keys_apart(database: Database, field: str) -> None:
    effect = Effect()
    ask(database, effect)
    other = AnswerClaim(replace(CLAIM.scope, **{field: "other"}), CLAIM.fingerprint)
    assert ask(database, effect, other) == b"answer 2"


def test_an_expired_key_may_stand_for_another_request(database: Database) -> None:
    effect = Effect()
    ask(database, effect)
    other = replace(CLAIM, fingerprint=digest(b"another"))
    assert ask(database, effect, other, NOW + TTL) == b"answer 2"
    assert ask(database, effect, other, NOW + TTL) == b"answer 2"


def test_an_effect_that_fails_leaves_the_key_free(database: Database) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(database, fail)
    assert ask(database, Effect()) == b"answer 1"


def request(key: str, **data: object) -> pb.AppendEventsRequest:
    events = [pb.EventInput(type="A", occur_time=stamp(1), data=struct(**data))]
    return pb.AppendEventsRequest(events=events, idempotency_key=key)


def test_a_fingerprint_is_of_the_meaning_and_not_of_the_key() -> None:
    assert request_fingerprint(request("k", a=1, b=2)) == request_fingerprint(request("l", b=2, a=1))
    assert request_fingerprint(request("k", a=1)) != request_fingerprint(request("k", a=2))
