"""Entries move into packed rows, and back, with their hashes; the view shows them throughout."""

import json
from typing import Any

from sqlalchemy import Engine, text

from persistence_service.database.migrating import downgrade, upgrade

ENTRIES: list[dict[str, Any]] = [
    {
        "sequence": 1,
        "kind": "run.created",
        "severity": 20,
        "persona": None,
        "record": None,
        "digest": "01" * 32,
    },
    {"sequence": 2, "kind": "step.failed", "severity": 40, "persona": "critic", "record": 3, "digest": None},
]
INSERT = """
INSERT INTO audit_log (tenant, stream, sequence, event_time, event_type, caller, user_id, request_id,
    severity, persona_id, data, record_id, payload_digest, previous_hash)
VALUES ('default', 'runs/a', :sequence, {time}, :kind, 'shop', 'ann', 'q', :severity, :persona,
    '{{"step": "it''s \\"é\\""}}', :record, :digest, :hash)
"""
SHOWN = """
SELECT sequence, event_type, caller, user_id, request_id, severity, persona_id, data, record_id,
    payload_digest, previous_hash, event_time
FROM audit_log ORDER BY sequence
"""


def fill(engine: Engine) -> None:
    time = "'2026-11-21 12:00:00.123456+00'" if engine.dialect.name == "postgresql" else "1763726400123456"
    with engine.begin() as connection:
        for entry in ENTRIES:
            digest = entry["digest"] and bytes.fromhex(entry["digest"])
            hashes = {"digest": digest, "hash": bytes([entry["sequence"]]) * 32}
            connection.execute(text(INSERT.format(time=time)), entry | hashes)


def shown(engine: Engine) -> list[dict[str, Any]]:
    """Digests in hexadecimal and JSON as data, which both forms of `audit_log` have in common."""
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(text(SHOWN)).mappings()]
    for row in rows:
        row["data"] = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
        for name in ("payload_digest", "previous_hash"):
            row[name] = bytes(row[name]).hex() if isinstance(row[name], bytes | memoryview) else row[name]
    return rows


def test_entries_are_kept_up_and_down(engine: Engine) -> None:
    upgrade(engine, "0007")
    fill(engine)
    before = shown(engine)
    assert len(before) == 2
    upgrade(engine, "0008")
    assert shown(engine) == before
    downgrade(engine, "0007")
    assert shown(engine) == before


def test_each_entry_of_before_has_a_row_of_its_own(engine: Engine) -> None:
    upgrade(engine, "0007")
    fill(engine)
    upgrade(engine, "0008")
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT first_sequence, severity FROM journal ORDER BY first_sequence")
        )
        assert [tuple(row) for row in rows] == [(1, 20), (2, 40)]
