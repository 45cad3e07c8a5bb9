"""What JSON data contains: PostgreSQL's definition, SQLite's function and the pure one agree."""

from typing import Any

import pytest
from sqlalchemy import literal, select

from persistence_service.database import Database
from persistence_service.schema.base import Json
from persistence_service.schema.containment import JsonContains, contains

CASES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"a": 1}, {}, True),
    ({}, {"a": None}, False),
    ({"a": None}, {"a": None}, True),
    ({"a": 1, "b": 2}, {"b": 2}, True),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1}, {"a": True}, False),
    ({"a": 0}, {"a": False}, False),
    ({"a": "1"}, {"a": 1}, False),
    ({"a": 0.1}, {"a": 0.1}, True),
    ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, True),
    ({"a": {"b": 1}}, {"a": {"c": 1}}, False),
    ({"a": {}}, {"a": []}, False),
    ({"a": [1, 2, 3]}, {"a": [3, 1]}, True),
    ({"a": [1, 2]}, {"a": [1, 1, 1]}, True),
    ({"a": [1, 2]}, {"a": [4]}, False),
    ({"a": [1]}, {"a": []}, True),
    ({"a": []}, {"a": [1]}, False),
    ({"a": ["x"]}, {"a": "x"}, False),
    ({"a": [{"b": 1, "c": 2}]}, {"a": [{"c": 2}]}, True),
    ({"a": [[1, 2]]}, {"a": [[2]]}, True),
    ({"a": [1, [2]]}, {"a": [2]}, False),
    ({"a": [True]}, {"a": [1]}, False),
    ({"é": "ü'\"\\"}, {"é": "ü'\"\\"}, True),
]


@pytest.mark.parametrize(("whole", "part", "expected"), CASES, ids=repr)
def test_the_database_and_the_definition_agree(
    database: Database, whole: dict[str, Any], part: dict[str, Any], expected: bool
) -> None:
    statement = select(JsonContains(literal(whole, Json), part))
    found = database.unit_of_work(lambda connection: connection.execute(statement).scalar_one())
    assert (bool(found), contains(whole, part)) == (expected, expected)
