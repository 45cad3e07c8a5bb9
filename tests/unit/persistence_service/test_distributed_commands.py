"""Commands that a database distributed by tenant is not given."""

import pytest

from tests.support.processes import clean_environment, run_command


@pytest.mark.parametrize("command", [("tenant", "freeze", "acme"), ("partition", "--by", "day")])
def test_it_is_refused_before_anything_is_asked_of_the_database(command: tuple[str, ...]) -> None:
    environment = clean_environment(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", DB_DISTRIBUTED="true"
    )
    done = run_command(*command, package="persistence_service", environment=environment)
    assert done.returncode == 2
    assert "DB_DISTRIBUTED" in done.stderr
