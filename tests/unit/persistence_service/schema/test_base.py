"""The column types, as the drivers see them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Dialect, create_engine

from persistence_service.schema.base import Digest, UtcTime, metadata

SQLITE: Dialect = create_engine("sqlite://").dialect
POSTGRESQL: Dialect = create_engine("postgresql+psycopg2://h/n").dialect
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def test_an_instant_is_microseconds_on_sqlite() -> None:
    assert UtcTime().process_bind_param(NOON, SQLITE) == 1_795_262_400_123_456


@pytest.mark.parametrize("instant", [NOON, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_an_instant_comes_back_from_sqlite_as_it_went(instant: datetime) -> None:
    stored = UtcTime().process_bind_param(instant, SQLITE)
    assert UtcTime().process_result_value(stored, SQLITE) == instant


def test_an_instant_of_another_zone_comes_back_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    back = UtcTime().process_result_value(there, POSTGRESQL)
    assert (back, back.tzinfo if back else None) == (NOON, UTC)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        UtcTime().process_bind_param(NOON.replace(tzinfo=None), SQLITE)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_digest_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Digest().process_bind_param(bytes(length), SQLITE)


def test_every_constraint_has_a_name_by_the_convention() -> None:
    assert set(metadata.naming_convention) >= {"pk", "fk", "uq", "ix", "ck"}
