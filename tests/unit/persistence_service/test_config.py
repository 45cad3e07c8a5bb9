"""The settings of the persistence service."""

from pathlib import Path

import pytest

from consensus_rpc.process.settings import SettingsError
from persistence_service.config import PersistenceSettings
from persistence_service.database import normalise_url

PARTS = {
    "DB_HOST": "db.example",
    "DB_PORT": "6543",
    "DB_NAME": "n",
    "DB_USER": "u",
    "DB_PASSWORD": "p@ss/word",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, from the environment or a .env file."""
    monkeypatch.chdir(tmp_path)
    for name in PersistenceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> PersistenceSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return PersistenceSettings.load()


def address(settings: PersistenceSettings) -> str:
    return settings.database_options().url.render_as_string(hide_password=False)


def test_nothing_set_is_a_sqlite_file_under_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(load(monkeypatch)) == "sqlite+pysqlite:///data/consensus.db"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DB_HOST", "postgresql+psycopg2://postgres@db.example:5432/consensus_engine"),
        ("DB_PORT", "postgresql+psycopg2://postgres@localhost:6543/consensus_engine"),
        ("DB_NAME", "postgresql+psycopg2://postgres@localhost:5432/n"),
        ("DB_USER", "postgresql+psycopg2://u@localhost:5432/consensus_engine"),
        ("DB_PASSWORD", "postgresql+psycopg2://postgres:p%40ss%2Fword@localhost:5432/consensus_engine"),
    ],
)
def test_any_one_part_makes_it_postgresql_with_the_defaults_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    assert address(load(monkeypatch, **{name: PARTS[name]})) == expected


@pytest.mark.parametrize("name", PARTS)
def test_an_address_beside_a_part_is_refused_and_both_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(SettingsError, match=f"DATABASE_URL: given beside {name}") as refusal:
        load(monkeypatch, DATABASE_URL="sqlite:///x.db", **{name: PARTS[name]})
    assert "p@ss" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "read_url"),
    [("sqlite:///x.db", "postgres://h/n"), ("postgres://h/n", "sqlite:///x.db"), ("", "postgres://h/n")],
)
def test_only_postgresql_has_a_standby_to_read_from(
    monkeypatch: pytest.MonkeyPatch, url: str, read_url: str
) -> None:
    with pytest.raises(SettingsError, match="DATABASE_READ_URL: given, but only PostgreSQL has standbys"):
        load(monkeypatch, DATABASE_URL=url, DATABASE_READ_URL=read_url)


def test_a_standby_of_an_address_in_parts_reaches_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    read_url, seconds = "postgres://u:sesame@one,two/n", "2.5"
    settings = load(monkeypatch, DB_HOST="h", DATABASE_READ_URL=read_url, DB_READ_STALENESS_SECONDS=seconds)
    options = settings.database_options()
    assert options.read_url == normalise_url(read_url)
    assert options.read_staleness == 2.5
    assert "sesame" not in str(settings.masked())


def test_an_empty_part_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DATABASE_URL="sqlite:///x.db", DB_HOST="", DB_PASSWORD="")
    assert settings.database_options().backend == "sqlite"


def test_a_refused_address_is_named_with_the_accepted_forms_and_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(monkeypatch, DATABASE_URL="mysql://u:sesame@h/n")
    message = str(refusal.value)
    assert "DATABASE_URL" in message
    assert "sqlite:///path, or postgresql://user:password@host:port/name (postgres:// too)" in message
    assert "sesame" not in message


def test_an_address_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgres://u:sesame@h/n\n", encoding="utf-8")
    settings = load(monkeypatch, DATABASE_URL_FILE=str(tmp_path / "secret"))
    assert address(settings) == "postgresql+psycopg2://u:sesame@h/n"


def test_passwords_are_masked_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = load(monkeypatch, DB_PASSWORD="sesame")
    assert "sesame" not in f"{shown.masked()} {shown!r}"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DB_PORT", "0", "from 1 to 65535"),
        ("DB_POOL", "static", "queue, null"),
        ("DB_POOL_SIZE", "0", "from 1 to 100"),
        ("DB_POOL_SIZE", "101", "from 1 to 100"),
        ("DB_MAX_OVERFLOW", "-1", "from 0 to 100"),
        ("DB_POOL_TIMEOUT", "301", "from 1 to 300"),
        ("DB_POOL_RECYCLE", "59", "from 60 to 7200"),
        ("DB_POOL_PRE_PING", "perhaps", "true or false"),
        ("LEASE_SECONDS", "301", "from 1 to 300"),
        ("IDEMPOTENCY_KEY_TTL_SECONDS", "86399", "from 86400"),
        ("PERSISTENCE_LISTEN", "nowhere", "host:port"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name}: given '{value}'; allowed: .*{allowed}"):
        load(monkeypatch, **{name: value})


def test_callers_and_review_services_need_an_address_each(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="INTERNAL_LISTEN: given localhost:1, which is PERSISTENCE_L"):
        load(monkeypatch, PERSISTENCE_LISTEN="localhost:1", PERSISTENCE_INTERNAL_LISTEN="localhost:1")
    load(monkeypatch, PERSISTENCE_LISTEN="localhost:0", PERSISTENCE_INTERNAL_LISTEN="localhost:0")


def test_settings_of_the_pool_reach_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    options = load(
        monkeypatch, DB_POOL="null", DB_POOL_SIZE="7", DB_MAX_OVERFLOW="3", DB_AUTO_MIGRATE="false"
    ).database_options()
    assert (options.pool, options.connection_limit, options.auto_migrate) == ("null", 10, False)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DB_POOLER_MODE": "transaction"}, "SQLite has neither pooler"),
        ({"DB_DISTRIBUTED": "true"}, "SQLite is one file"),
        ({"DATABASE_MIGRATE_URL": "postgresql://u@h/n"}, "SQLite has neither pooler"),
        (
            {"DB_POOLER_MODE": "transaction", "DATABASE_URL": "postgresql://u@h/n?options=-c%20a.b%3Dc"},
            "its options are a session's",
        ),
    ],
)
def test_what_a_pooler_would_lose_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        load(monkeypatch, **environment)
