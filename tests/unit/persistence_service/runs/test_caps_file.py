"""The file of caps: exact amounts, and no misspelt name that would be no cap."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from persistence_service.runs.caps_file import CapsFileError, load_caps
from persistence_service.runs.form.caps import day_of, reset_of

NOW = datetime(2026, 11, 27, 23, 59, 59, 999_999, UTC)


def written(folder: Path, text: str) -> Path:
    path = folder / "caps.toml"
    path.write_text(text)
    return path


def test_the_narrowest_cap_comes_first_and_a_tenants_own_table_stands_whole(tmp_path: Path) -> None:
    caps = load_caps(
        written(
            tmp_path,
            'currency = "USD"\n[default]\nrun = "0.1"\ncaller_day = 2\ntenant_day = "1000000.000001"\n'
            '[tenants.acme]\ncaller_days = { batch = "0" }\n',
        )
    )
    found = [(key.kind, key.name, cap) for key, cap in caps.scopes("t", "c", "r", NOW)]
    assert found == [
        ("run", "r", 100_000), ("caller_day", "c", 2_000_000), ("tenant_day", "", 1_000_000_000_001),
    ]  # fmt: skip
    assert [cap for _, cap in caps.scopes("acme", "batch", "r", NOW)] == [0]
    assert list(caps.scopes("acme", "other", "r", NOW)) == []


@pytest.mark.parametrize(
    "text",
    ["", 'currency = "usd"', 'currency = "USD"\n[default]\ntenant_days = 1',
     'currency = "USD"\n[default]\nrun = "0.0000001"', 'currency = "USD"\n[default]\nrun = -1', "= 1",
     'currency = "USD"\n[default]\nopen_runs = true', 'currency = "USD"\n[default]\nrun = true'],
)  # fmt: skip
def test_a_file_with_a_fault_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CapsFileError):
        load_caps(written(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CapsFileError, match="cannot be read"):
        load_caps(tmp_path / "none.toml")


def test_a_day_ends_at_midnight_in_utc() -> None:
    assert day_of(NOW) == datetime(2026, 11, 27, tzinfo=UTC)
    midnight = NOW + timedelta(microseconds=1)
    assert reset_of("tenant_day", NOW) == day_of(midnight) == midnight
    assert reset_of("run", NOW) is None
