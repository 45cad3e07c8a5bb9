"""Commands that move tenants, where none can be moved."""

import pytest
from typer.testing import CliRunner

from persistence_service.tenant_commands import app


def test_a_distributed_database_is_refused_before_anything_is_asked_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("DB_DISTRIBUTED", "true")
    done = CliRunner().invoke(app, ["freeze", "acme"])
    assert done.exit_code == 2
    assert "DB_DISTRIBUTED" in done.stderr
