"""Attempts and reviews move into tables that are made anew, and back; they say the same as before."""

from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from persistence_service.database.migrating import downgrade, upgrade

USAGE = {
    "input_tokens": 900,
    "cached_tokens": 700,
    "cache_write_tokens": 5,
    "output_tokens": 300,
    "reasoning_tokens": 10,
}
KEYS = {"tenant": "default", "run_id": "r", "step": "expand", "requested_model": "gpt", "is_repair": False}
STARTED: dict[str, Any] = {
    **KEYS,
    "attempt_number": 1,
    "state": "STARTED",
    "reason": None,
    "answered_model": "",
    "temperature": None,
    "max_output_tokens": 8000,
    "latency_nanoseconds": None,
    "http_status": 0,
    "provider_request_id": "",
    **dict.fromkeys(USAGE),
    "raw_output": "",
    "message": "",
}
FAILED: dict[str, Any] = {
    **KEYS,
    "attempt_number": 2,
    "state": "FAILED",
    "reason": "LLM_INVALID_OUTPUT",
    "answered_model": "gpt-1",
    "temperature": 20,
    "max_output_tokens": 16_000,
    "latency_nanoseconds": 2**40,
    "http_status": 200,
    "provider_request_id": "req_1",
    **USAGE,
    "raw_output": "{",
    "message": "no JSON",
}


def add(engine: Engine, table: str, rows: list[dict[str, Any]], **given: str) -> None:
    """Adds the rows, with these expressions for further columns."""
    columns = [*rows[0], *given]
    values = [*(f":{name}" for name in rows[0]), *given.values()]
    insert = text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(values)})")
    with engine.begin() as connection:
        connection.execute(insert, rows)


def rows(engine: Engine, table: str, order: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [
            dict(row)
            for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}")).mappings()
        ]


def test_attempts_are_kept_up_and_down(engine: Engine) -> None:
    upgrade(engine, "0009")
    now = "now()" if engine.dialect.name == "postgresql" else "1"
    add(engine, "attempts", [STARTED, FAILED], start_time=now)
    before = rows(engine, "attempts", "attempt_number")
    upgrade(engine, "0010")
    nothing = {name: None for name, value in STARTED.items() if value in ("", 0) and value is not False}
    started, failed = before
    assert rows(engine, "attempts", "attempt_number") == [started | nothing, failed]
    downgrade(engine, "0009")
    assert rows(engine, "attempts", "attempt_number") == before


def of_persona(persona_id: str, digest: str | None) -> dict[str, Any]:
    return {
        "tenant": "default",
        "run_id": "r",
        "persona_id": persona_id,
        "sequence": 7,
        "persona_name": "Critic",
        "confidence": 8123,
        "blocking_issues_present": True,
        "security_concerns_present": False,
        "content": '{"strengths": ["Small"]}',
        "requested_model": "gpt",
        "answered_model": "gpt-1",
        "temperature": 20,
        "persona_template_version": "1.0.0",
        "prompt_digest": digest,
        "attempt_count": 2,
        "provider_request_id": "req_1",
        "latency_nanoseconds": 2**40,
        "truncated_fields": '["title"]',
        **USAGE,
        "reused_from_run_id": "q",
    }


def test_reviews_are_kept_up_and_down(engine: Engine) -> None:
    upgrade(engine, "0009")
    add(engine, "persona_reviews", [of_persona("critic", "0f" * 32), of_persona("optimist", None)])
    before = rows(engine, "persona_reviews", "persona_id")
    upgrade(engine, "0010")
    assert rows(engine, "persona_reviews", "persona_id") == before
    downgrade(engine, "0009")
    assert rows(engine, "persona_reviews", "persona_id") == before


@pytest.mark.parametrize("table", ["attempts", "persona_reviews"])
def test_keys_triggers_and_room_on_the_pages_are_the_same_up_and_down(engine: Engine, table: str) -> None:
    upgrade(engine, "0009")
    before = described(engine, table)
    upgrade(engine, "0010")
    assert described(engine, table) == before
    downgrade(engine, "0009")
    assert described(engine, table) == before


CATALOGUE = {
    "postgresql": (
        "SELECT 'options', array_to_string(reloptions, ',') FROM pg_class WHERE relname = :name",
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :name ORDER BY 1",
        """SELECT tgname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger
        JOIN pg_class ON tgrelid = pg_class.oid WHERE relname = :name ORDER BY 1""",
    ),
    "sqlite": ("SELECT name, sql FROM sqlite_master WHERE tbl_name = :name AND type <> 'table' ORDER BY 1",),
}


def described(engine: Engine, table: str) -> list[Any]:
    """What is easily forgotten when a table is made anew: key, indexes, triggers, how full its pages are."""
    with engine.connect() as connection:
        found = [
            tuple(row)
            for query in CATALOGUE[engine.dialect.name]
            for row in connection.execute(text(query), {"name": table})
        ]
    return [inspect(engine).get_pk_constraint(table), *found]
