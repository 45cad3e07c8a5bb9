"""A schema that a later release has migrated while this release's processes run."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from persistence_service.database import normalise_url
from tests.faults.case import Case
from tests.faults.chaos import terminate_connections
from tests.support.pair import kinds
from tests.support.postgres import showing_all

_REVISION = text("SELECT version_num FROM alembic_version")
_OLDEST = text("SELECT oldest_release FROM schema_compatibility")
_SET_REVISION = text("UPDATE alembic_version SET version_num = :value")
_SET_OLDEST = text("UPDATE schema_compatibility SET oldest_release = :value")


@contextmanager
def newer_schema(database_url: str) -> Iterator[None]:
    """As a migration leaves it whose release this code is too old for; afterwards as it was."""
    engine = create_engine(normalise_url(showing_all(database_url)), poolclass=NullPool)
    with engine.begin() as connection:
        revision = connection.execute(_REVISION).scalar_one()
        oldest = connection.execute(_OLDEST).scalar_one()
        connection.execute(_SET_REVISION, {"value": "later"})
        connection.execute(_SET_OLDEST, {"value": "99.10.0"})
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(_SET_REVISION, {"value": revision})
            connection.execute(_SET_OLDEST, {"value": oldest})


async def test_running_processes_go_on_and_one_that_starts_is_refused(case: Case) -> None:
    review, persistence = case.stack.reviews[0], case.stack.persistences[0]
    await case.hold("critic")
    caller = await case.stream(review)
    await caller.until("persona_review_ready", 4)

    # The schema is looked at once, when a process opens the database; new connections do not ask again.
    with newer_schema(case.stack.database_url):
        if case.stack.database_url.startswith("postgresql"):
            await asyncio.to_thread(terminate_connections, case.stack.database_url)
        later = await case.start(review)
        await case.release()
        ends = [await case.finish(caller.run_id, caller.last), await case.finish(later)]
        persistence.kill()
        await asyncio.to_thread(case.stack.restart, persistence)
        refused = case.stack.persistences[0]
        status = await asyncio.to_thread(refused.popen.wait, 30)

    assert [kinds(events)[-1] for events in ends] == ["run_completed"] * 2
    assert status != 0
    assert "which needs release 99.10.0 or later" in refused.logged()
