"""A tenant moved to another persistence service while it is reviewing: nothing lost, nothing twice."""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.case import Case, running_case
from tests.faults.conftest import with_password
from tests.faults.load import Load
from tests.faults.stack import Stack, running_stack, wait_serving
from tests.support.page_commands import Page
from tests.support.pair import PERSISTENCE, kinds
from tests.support.processes import Process, clean_environment, start_process, wait_started

pytestmark = pytest.mark.timeout(1200)  # nine commands, each of which loads all that the service does

IN_FLIGHT = 30
# Long enough for a machine that stalls: who holds a run must be back within one, once the tenant is open.
SETTINGS = {"LEASE_SECONDS": "30"}
TENANT = "default"
PAGE = Page("operations.md")


class Move:
    """Two persistence services on a database each, and the map by which review services find them."""

    def __init__(self, stack: Stack, map_file: Path, there_url: str) -> None:
        self.stack = stack
        self.map_file = map_file
        self.here_url, self.there_url = stack.database_url, there_url
        self.there: Process | None = None

    def start_target(self) -> None:
        environment = clean_environment(
            DATABASE_URL=self.there_url,
            PERSISTENCE_LISTEN=self.stack.ports.listen(),
            PERSISTENCE_INTERNAL_LISTEN=self.stack.ports.listen(),
            WATCH_POLL_SECONDS="0.1",
            LOG_FORMAT="json",
            **SETTINGS,
        )
        self.there = start_process("persistence_service", self.stack.folder, environment, name="there")
        wait_started(self.there)
        wait_serving(self.there.address, PERSISTENCE)

    async def step(self, name: str) -> str:
        """What a step prints, as it stands on the page."""
        assert self.there is not None
        done = await asyncio.to_thread(
            PAGE.succeed, name, self.stack.folder,
            HERE_URL=self.here_url, THERE_URL=self.there_url, TENANT=TENANT,
            SHARDS=str(self.map_file), THERE_ADDRESS=self.there.internal_address,
        )  # fmt: skip
        return done.stdout

    def require_unchanged(self) -> None:
        """Nothing was written where it was: else its rows would not be exported once more."""
        subprocess.run(
            [sys.executable, "-m", "persistence_service", "tenant", "export", TENANT],
            env=clean_environment(DATABASE_URL=self.here_url), check=True, capture_output=True,
        )  # fmt: skip

    def stay(self) -> None:
        """From now on the case is about the target."""
        assert self.there is not None
        self.stack.persistences[0].stop()
        self.stack.persistences[0] = self.there
        self.stack.database_url = self.there_url


@pytest.fixture(params=["sqlite", "postgresql"])
async def moving(
    request: pytest.FixtureRequest, tmp_path: Path, mark: str
) -> AsyncIterator[tuple[Case, Move]]:
    """A case whose review services find their persistence service by a map in a file."""
    here, there = f"sqlite:///{tmp_path / 'here.db'}", f"sqlite:///{tmp_path / 'there.db'}"
    if request.param == "postgresql":
        server: Any = request.getfixturevalue("postgres_server")
        here, there = (with_password(server.create_database()) for _ in range(2))
    map_file = tmp_path / "shards"
    stack = Stack(
        tmp_path,
        here,
        persistence_settings=dict(SETTINGS),
        review_settings={"PERSISTENCE_ADDRESS": f"@{map_file}"},
    )
    listen = stack.ports.listen()
    stack.persistence_settings["PERSISTENCE_INTERNAL_LISTEN"] = listen
    map_file.write_text(f"*={listen}\n", encoding="utf-8")
    move = Move(stack, map_file, there)
    with running_stack(stack):
        try:
            await asyncio.to_thread(move.start_target)
            async with running_case(stack, mark) as case:
                yield case, move
        finally:
            if move.there is not None:
                move.there.stop()


async def test_a_tenant_is_moved_while_it_is_reviewing(moving: tuple[Case, Move]) -> None:
    case, move = moving
    await case.hold("critic", "optimist")
    reviews = case.stack.reviews
    held = [await case.stream(reviews[n % 2], key=f"{case.mark}-held-{n}") for n in range(IN_FLIGHT)]
    await asyncio.gather(*(caller.until("persona_review_ready", 3) for caller in held))
    load = Load(case, random.Random(17))
    calling = asyncio.create_task(load.callers(3, 0.2))

    await move.step("freeze tenant")
    await case.release()  # answers come that cannot be recorded where the tenant is
    await move.step("copy tenant")
    await move.step("leave tenant")
    await move.step("lead tenant")
    await move.step("open tenant")
    ends = await asyncio.gather(*(case.finish(caller.run_id, caller.last) for caller in held))
    load.stopping.set()
    await calling
    assert load.finished

    assert Counter(kinds(events)[-1] for events in ends) == {"run_completed": IN_FLIGHT}
    counted: list[Any] = [await case.model_wait({}, run_id=caller.run_id) for caller in held]
    assert Counter(each["total"]["started"] for each in counted) == {6: IN_FLIGHT}
    await asyncio.to_thread(move.require_unchanged)
    assert "journal: " in await move.step("delete tenant")
    await asyncio.to_thread(move.stay)
