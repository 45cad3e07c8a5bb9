"""Rows of attempts move into a table that is made anew, and back; they say the same as before."""

from typing import Any

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


def add(engine: Engine, table: str, *rows: dict[str, Any]) -> None:
    now = "now()" if engine.dialect.name == "postgresql" else "1"
    columns = list(rows[0])
    values = ", ".join(f":{name}" for name in columns)
    insert = text(f"INSERT INTO {table} (start_time, {', '.join(columns)}) VALUES ({now}, {values})")
    with engine.begin() as connection:
        connection.execute(insert, list(rows))


def rows(engine: Engine, table: str, order: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [
            dict(row)
            for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}")).mappings()
        ]


def test_attempts_are_kept_up_and_down(engine: Engine) -> None:
    upgrade(engine, "0007")
    add(engine, "attempts", STARTED, FAILED)
    before = rows(engine, "attempts", "attempt_number")
    upgrade(engine, "0009")
    nothing = {name: None for name, value in STARTED.items() if value in ("", 0) and value is not False}
    started, failed = before
    assert rows(engine, "attempts", "attempt_number") == [started | nothing, failed]
    downgrade(engine, "0007")
    assert rows(engine, "attempts", "attempt_number") == before


def test_the_key_of_attempts_is_the_same_up_and_down_and_their_pages_keep_room(engine: Engine) -> None:
    upgrade(engine, "0007")
    before = described(engine, "attempts")
    upgrade(engine, "0009")
    assert described(engine, "attempts") == before
    downgrade(engine, "0007")
    assert described(engine, "attempts") == before


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
