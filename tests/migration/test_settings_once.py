"""Settings that runs share move into a table of their own, each once for a tenant, and back."""

import json
from typing import Any

from sqlalchemy import Engine, text

from persistence_service.database.migrating import downgrade, upgrade

SHARED = {
    "expand_model": "m",
    "retry_policy": {"backoff_multiplier": 2.0, "max_retries": 3},
    "personas": [{}],
}
OTHER = {"expand_model": "ünïcode \U0001f600", "personas": []}
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("t", "a"): SHARED,
    ("t", "b"): SHARED | {"draft_id": "d-1"},
    ("t", "c"): SHARED | {"draft_id": "d-2"},
    ("t", "d"): OTHER,
    ("u", "a"): SHARED,
}
INSERT = text("INSERT INTO run_specifications VALUES (:tenant, :run_id, 'idea', NULL, :settings)")
WHOLE = "SELECT tenant, run_id, settings FROM run_specifications"
JOINED = text(
    "SELECT tenant, run_id, draft_id, digest, run_settings.settings "
    "FROM run_specifications JOIN run_settings USING (tenant) WHERE digest = settings_digest"
)


def fill(engine: Engine) -> None:
    with engine.begin() as connection:
        for (tenant, run_id), settings in SETTINGS.items():
            # As the service writes it: compact, and not escaped.
            row = json.dumps(settings, separators=(",", ":"), ensure_ascii=False)
            connection.execute(INSERT, {"tenant": tenant, "run_id": run_id, "settings": row})


def plain(settings: Any) -> Any:
    """JSON data, as text on SQLite."""
    return json.loads(settings) if isinstance(settings, str) else settings


def whole(engine: Engine) -> dict[tuple[str, str], Any]:
    with engine.connect() as connection:
        rows = connection.execute(text(WHOLE)).all()
    return {(tenant, run_id): plain(settings) for tenant, run_id, settings in rows}


def shared(engine: Engine) -> dict[tuple[str, str], tuple[str | None, bytes, Any]]:
    """What each run has of its own, the digest that it names, and the settings found by it."""
    with engine.connect() as connection:
        rows = connection.execute(JOINED).all()
    return {
        (tenant, run_id): (draft_id, bytes(digest), plain(settings))
        for tenant, run_id, draft_id, digest, settings in rows
    }


def test_settings_are_kept_up_and_down(engine: Engine) -> None:
    upgrade(engine, "0008")
    fill(engine)
    upgrade(engine, "0009")
    found = shared(engine)
    assert {
        key: settings | ({"draft_id": draft} if draft else {}) for key, (draft, _, settings) in found.items()
    } == (SETTINGS)
    digests = {key: digest for key, (_, digest, _) in found.items()}
    assert {len(digest) for digest in digests.values()} == {32}
    assert (
        digests["t", "a"] == digests["t", "b"] == digests["t", "c"] == digests["u", "a"] != digests["t", "d"]
    )
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM run_settings")).scalar_one() == 3
    downgrade(engine, "0008")
    assert whole(engine) == SETTINGS
    upgrade(engine, "0009")
    assert shared(engine) == found
