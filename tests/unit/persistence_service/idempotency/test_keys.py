"""Keys within one batch, and what a request means."""

from dataclasses import replace

import pytest

from consensus_contract.errors import IdempotencyKeyReused
from persistence_service.idempotency.keys import START, KeyScope, KeyTable, KeyUse

SCOPE = KeyScope("default", "anonymous", START, "", "k")
MINE = KeyUse(SCOPE, b"r" * 32, "run-1")
SAME = replace(MINE, run_id="run-2")
OTHER = KeyUse(SCOPE, b"s" * 32, "run-3")


def test_a_new_key_is_free_until_it_is_taken() -> None:
    keys = KeyTable({SCOPE: MINE}, {})
    assert keys.check(MINE) is None
    keys.take(MINE)
    assert keys.check(SAME) == "run-1"


def test_a_key_from_before_stands_for_its_run() -> None:
    keys = KeyTable({}, {SCOPE: MINE})
    assert keys.check(SAME) == "run-1"
    assert keys.followed == {("default", "run-1")}


@pytest.mark.parametrize("keys", [KeyTable({}, {SCOPE: MINE})], ids=["from before"])
def test_another_request_is_refused(keys: KeyTable) -> None:
    with pytest.raises(IdempotencyKeyReused):
        keys.check(OTHER)


def test_a_key_of_a_refused_operation_is_deleted_again() -> None:
    keys = KeyTable({SCOPE: MINE}, {})
    assert keys.stale == [SCOPE]
    keys.take(MINE)
    assert keys.stale == []


def test_a_key_that_another_operation_took_is_to_be_written_anew() -> None:
    keys = KeyTable({SCOPE: MINE}, {})
    keys.take(OTHER)
    assert keys.replaced == [OTHER]
