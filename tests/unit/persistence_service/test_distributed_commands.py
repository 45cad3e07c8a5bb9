"""Commands that a database distributed by tenant is not given."""

import pytest
import typer
from typer.testing import CliRunner

from persistence_service.partition_command import commands as partition_command
from persistence_service.tenant_commands import app as tenant_commands


@pytest.mark.parametrize(
    ("app", "arguments"), [(tenant_commands, ["freeze", "acme"]), (partition_command, ["--by", "day"])]
)
def test_it_is_refused_before_anything_is_asked_of_the_database(
    app: typer.Typer, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("DB_DISTRIBUTED", "true")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "DB_DISTRIBUTED" in done.stderr
