"""What JSON data contains: PostgreSQL's operator, SQLite's conditions and the definition agree."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select

from persistence_service.database import Database
from persistence_service.schema.base import Json
from persistence_service.schema.containment import JsonContains

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
    ({"a": 1e300}, {"a": 1e300}, True),
    ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, True),
    ({"a": {"b": 1}}, {"a": {"c": 1}}, False),
    ({"a": {}}, {"a": []}, False),
    ({"a": [1, 2, 3]}, {"a": [3, 1]}, True),
    ({"a": [1, 2]}, {"a": [1, 1, 1]}, True),
    ({"a": [1, 2]}, {"a": [4]}, False),
    ({"a": [1]}, {"a": []}, True),
    ({"a": []}, {"a": [1]}, False),
    ({"a": ["x"]}, {"a": "x"}, False),
    ({"a": "[1]"}, {"a": [1]}, False),
    ({"a": "no [ JSON"}, {"a": [1]}, False),
    ({"a": [{"b": 1, "c": 2}]}, {"a": [{"c": 2}]}, True),
    ({"a": [[1, 2]]}, {"a": [[2]]}, True),
    ({"a": [1, [2]]}, {"a": [2]}, False),
    ({"a": [True]}, {"a": [1]}, False),
    ({"é": "ü'\"\\"}, {"é": "ü'\"\\"}, True),
    ({'"k\\\n': 1, "": 2}, {'"k\\\n': 1, "": 2}, True),
]


def contains(whole: Any, part: Any) -> bool:
    """The definition: objects by their fields, lists by their entries, all else by equality."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(contains(each, wanted) for each in whole) for wanted in part
        )
    if isinstance(part, bool) or isinstance(whole, bool):
        return whole is part
    return bool(whole == part)


def found(database: Database, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[bool]:
    """What the database says of each pair of whole and part."""
    columns = (JsonContains(literal(whole, Json), part) for whole, part in pairs)
    statement = select(*(column.label(f"c{number}") for number, column in enumerate(columns)))
    return [
        bool(each) for each in database.unit_of_work(lambda connection: connection.execute(statement).one())
    ]


def test_the_database_and_the_definition_agree(database: Database, subtests: pytest.Subtests) -> None:
    for whole, part, expected in CASES:
        with subtests.test(whole=whole, part=part):
            assert (found(database, [(whole, part)]), contains(whole, part)) == ([expected], expected)


_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=2)
_KEYS = st.sampled_from(["a", "b", "", '"', "\\", "é"]) | _TEXTS
_NUMBERS = (
    st.integers(-3, 3) | st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from([0.5, -0.25, 1e-7, 1e21])
)
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.sampled_from(["", "a", "1", "true", "[]"]) | _TEXTS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(_KEYS, _VALUES, max_size=3)


@st.composite
def _parts(draw: st.DrawFn, whole: Any) -> Any:
    """Mostly something that the whole contains: a few of its fields and entries, now and then changed."""
    if draw(st.integers(0, 9)) == 0:
        return draw(_VALUES)
    if isinstance(whole, dict):
        return {key: draw(_parts(value)) for key, value in whole.items() if draw(st.booleans())}
    if isinstance(whole, list):
        kept = [draw(_parts(value)) for value in whole if draw(st.booleans())]
        return draw(st.permutations(kept))
    return whole


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    whole = draw(_OBJECTS)
    part = draw(_parts(whole))
    return whole, part if isinstance(part, dict) else {"a": part}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(_pairs(), min_size=5, max_size=10))
def test_any_data_is_matched_as_the_definition_says(
    database: Database, pairs: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    assert found(database, pairs) == [contains(whole, part) for whole, part in pairs]
