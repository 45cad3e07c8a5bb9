"""Filters by content on SQLite are the database's work: no function of this program is called per row."""

from typing import Any

from sqlalchemy import create_engine, literal, select

from persistence_service.schema.base import Json
from persistence_service.schema.containment import JsonContains


def test_sqlite_as_it_comes_evaluates_a_filter() -> None:
    whole: dict[str, Any] = {"a": [{"b": 1, "c": None}, "x"], "d": {"e": 2}}
    statement = select(JsonContains(literal(whole, Json), {"a": ["x", {"b": 1}], "d": {"e": 2}}))
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(statement).scalar_one()
