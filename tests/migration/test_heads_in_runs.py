"""The ends of journals move into the runs' rows, and back; those of other streams stay."""

from sqlalchemy import Engine, text

from persistence_service.database.migrating import downgrade, upgrade

HASHES = {"runs/a": b"\1" * 32, "runs/b": b"\2" * 32, "drafts/a": b"\3" * 32}
INSERT_RUN = text("""
INSERT INTO runs (tenant, run_id, run_type, state, caller, user_id, request_id, run_timeout_microseconds,
    retry_count, take_over_count, barren_take_over_count, last_sequence, last_record_id, fencing_token,
    lease_was_released, create_time, update_time)
SELECT 'default', :run_id, 'INITIAL', 'QUEUED', 'c', '', 'q', 1, 0, 0, 0, 7, 0, 0,
    :no, update_time, update_time
FROM stream_heads WHERE stream = 'runs/' || :run_id
""")


def fill(engine: Engine) -> None:
    now = "now()" if engine.dialect.name == "postgresql" else "1"
    head = text(f"INSERT INTO stream_heads VALUES ('default', :stream, 7, :hash, {now})")
    with engine.begin() as connection:
        for stream, digest in HASHES.items():
            connection.execute(head, {"stream": stream, "hash": digest})
        for run_id in "ab":
            connection.execute(INSERT_RUN, {"run_id": run_id, "no": False})


def stored(engine: Engine, query: str) -> dict[str, bytes]:
    with engine.connect() as connection:
        return {name: bytes(digest) for name, digest in connection.execute(text(query))}


def test_the_ends_of_journals_are_kept_up_and_down(engine: Engine) -> None:
    upgrade(engine, "0006")
    fill(engine)
    upgrade(engine, "0007")
    assert stored(engine, "SELECT 'runs/' || run_id, head_hash FROM runs") == {
        name: digest for name, digest in HASHES.items() if name.startswith("runs/")
    }
    assert stored(engine, "SELECT stream, hash FROM stream_heads") == {"drafts/a": HASHES["drafts/a"]}
    downgrade(engine, "0006")
    assert stored(engine, "SELECT stream, hash FROM stream_heads") == HASHES
