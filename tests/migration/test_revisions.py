"""The revisions, up and down, against the models, and many processes at once."""

import ast
import subprocess
import sys
from functools import partial

from sqlalchemy import Engine, inspect, text

from persistence_service.database import migrating
from persistence_service.database.migrating import SCRIPTS, check, current_revision, downgrade, upgrade
from persistence_service.tables import metadata
from tests.support.processes import clean_environment

LIBRARIES = {"collections", "alembic", "hashlib", "sqlalchemy", "typing"}
MIGRATE = [sys.executable, "-m", "persistence_service", "migrate"]


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return current_revision(connection)


def test_the_revisions_make_what_the_models_describe(engine: Engine) -> None:
    upgrade(engine)
    check(engine)  # raises where they differ
    assert revision(engine) == migrating.head_revision()


def test_every_table_of_the_models_is_made(engine: Engine) -> None:
    upgrade(engine)
    assert set(inspect(engine).get_table_names()) == set(metadata.tables) | {"alembic_version"}


def test_going_down_leaves_nothing_and_up_again_works(engine: Engine) -> None:
    upgrade(engine)
    downgrade(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    if engine.dialect.name == "postgresql":
        functions = text("SELECT count(*) FROM pg_proc WHERE proname LIKE 'refuse%'")
        with engine.connect() as connection:
            assert connection.execute(functions).scalar_one() == 0
    upgrade(engine)
    check(engine)


def test_a_revision_that_fails_leaves_nothing(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE stream_heads (id INTEGER)"))  # in the way of the first revision
    try:
        upgrade(engine)
    except Exception:  # noqa: BLE001 - each database has its own for a table that exists
        assert set(inspect(engine).get_table_names()) <= {"stream_heads", "alembic_version"}
    else:
        raise AssertionError("the table was not in the way")


def test_three_processes_at_once_all_succeed(empty_url: str) -> None:
    environment = clean_environment(DATABASE_URL=empty_url)
    start = partial(subprocess.Popen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    processes = [start(MIGRATE, env=environment) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said


def test_revisions_import_no_code_of_the_project() -> None:
    imported = {
        name
        for path in (SCRIPTS / "versions").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imports_of(node)
    }
    assert {name.partition(".")[0] for name in imported} <= LIBRARIES


def imports_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
