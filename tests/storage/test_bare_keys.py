"""Bare idempotency keys: seen by all but one, remembered for as long as was said."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from persistence_service.database import Database
from persistence_service.idempotency import repository
from persistence_service.idempotency.keys import BareKey, Sighting

KEY = BareKey("default", "billing.charge", "invoice 7")
NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
TTL = timedelta(hours=1)
ASKERS = 16


def check_and_set(
    database: Database, key: BareKey = KEY, ttl: timedelta | None = None, now: datetime = NOW
) -> tuple[bool, Sighting]:
    return database.unit_of_work(
        lambda connection: repository.check_and_set(connection, key, ttl, now), isolation="READ COMMITTED"
    )


def find(database: Database, key: BareKey = KEY, now: datetime = NOW) -> Sighting | None:
    return database.unit_of_work(
        lambda connection: repository.find_bare(connection, key, now), read_only=True
    )


def test_the_first_is_told_that_a_key_was_not_seen(database: Database) -> None:
    assert check_and_set(database) == (False, Sighting(NOW, None))


def test_every_later_one_is_told_when_it_was_set(database: Database) -> None:
    check_and_set(database, ttl=TTL)
    assert check_and_set(database, now=NOW + TTL / 2) == (True, Sighting(NOW, NOW + TTL))


def test_exactly_one_of_many_at_once_is_told_not_seen(database: Database) -> None:
    with ThreadPoolExecutor(ASKERS) as threads:
        answers = list(threads.map(lambda _: check_and_set(database)[0], range(ASKERS)))
    assert sorted(answers) == [False] + [True] * (ASKERS - 1)


def test_a_key_without_ttl_is_never_forgotten(database: Database) -> None:
    check_and_set(database)
    assert check_and_set(database, now=NOW + timedelta(days=36500))[0]


def test_an_expired_key_was_not_seen_and_is_set_anew(database: Database) -> None:
    check_and_set(database, ttl=TTL)
    later = NOW + TTL
    assert find(database, now=later) is None
    assert check_and_set(database, ttl=TTL, now=later) == (False, Sighting(later, later + TTL))


def test_exactly_one_of_many_sets_an_expired_key_anew(database: Database) -> None:
    check_and_set(database, ttl=TTL)
    with ThreadPoolExecutor(ASKERS) as threads:
        answers = list(threads.map(lambda _: check_and_set(database, now=NOW + TTL)[0], range(ASKERS)))
    assert sorted(answers) == [False] + [True] * (ASKERS - 1)


def test_looking_a_key_up_does_not_set_it(database: Database) -> None:
    assert find(database) is None
    assert not check_and_set(database)[0]


def test_scopes_and_tenants_have_keys_of_their_own(database: Database) -> None:
    check_and_set(database)
    assert not check_and_set(database, BareKey("default", "billing.refund", KEY.key))[0]
    assert not check_and_set(database, BareKey("another", KEY.scope, KEY.key))[0]
