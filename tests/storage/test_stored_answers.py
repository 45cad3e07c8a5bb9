"""Keys whose answer is stored: one effect, the same answer, until the key expires."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from consensus.v1 import event_service_pb2 as pb
from consensus_contract.errors import IdempotencyKeyReused
from consensus_journal import digest
from persistence_service.database import Database
from persistence_service.idempotency.keys import KeyScope, KeyUse, request_fingerprint
from persistence_service.idempotency.once import OncePerKey
from tests.support.serving import stamp, struct

USE = KeyUse(KeyScope("default", "billing", "event.append", "", "k"), digest(b"a request"))
TTL = timedelta(hours=1)
ASKERS = 16


class Effect:
    """Counts how often it happened."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _now: datetime) -> pb.AppendEventsResponse:
        self.count += 1
        return pb.AppendEventsResponse(stored_count=self.count)


def ask(
    database: Database,
    effect: Callable[[datetime], pb.AppendEventsResponse],
    use: KeyUse | None = USE,
    ttl: timedelta = TTL,
) -> int:
    """The number of the effect that was answered."""
    once = OncePerKey(database, ttl)
    answer = database.unit_of_work(
        lambda connection: once.effect(connection, use, effect, pb.AppendEventsResponse),
        isolation="READ COMMITTED",
    )
    return answer.stored_count


def test_without_a_key_every_request_has_its_effect(database: Database) -> None:
    effect = Effect()
    assert [ask(database, effect, None) for _ in range(2)] == [1, 2]


def test_the_same_request_has_one_effect_and_one_answer(database: Database) -> None:
    effect = Effect()
    assert [ask(database, effect) for _ in range(3)] == [1] * 3
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
        ask(database, effect, replace(USE, fingerprint=digest(b"another")))
    assert effect.count == 1


@pytest.mark.parametrize("field", ["tenant", "caller", "operation", "resource", "key"])
def test_each_part_of_the_scope_tells_keys_apart(database: Database, field: str) -> None:
    effect = Effect()
    ask(database, effect)
    other = KeyUse(USE.scope._replace(**{field: "other"}), USE.fingerprint)
    assert ask(database, effect, other) == 2


def test_an_expired_key_may_stand_for_another_request(database: Database) -> None:
    effect = Effect()
    ask(database, effect, ttl=timedelta())
    other = replace(USE, fingerprint=digest(b"another"))
    assert ask(database, effect, other) == 2
    assert ask(database, effect, other) == 2


def test_an_effect_that_fails_leaves_the_key_free(database: Database) -> None:
    def fail(_now: datetime) -> pb.AppendEventsResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(database, fail)
    assert ask(database, Effect()) == 1


def request(key: str, **data: object) -> pb.AppendEventsRequest:
    events = [pb.EventInput(type="A", occur_time=stamp(1), data=struct(**data))]
    return pb.AppendEventsRequest(events=events, idempotency_key=key)


def test_a_fingerprint_is_of_the_meaning_and_not_of_the_key() -> None:
    assert request_fingerprint(request("k", a=1, b=2)) == request_fingerprint(request("l", b=2, a=1))
    assert request_fingerprint(request("k", a=1)) != request_fingerprint(request("k", a=2))
