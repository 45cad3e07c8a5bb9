"""The release before, as a pair of two processes each, on each database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.release_before import release_before
from tests.faults.case import Case, running_case
from tests.faults.conftest import PERSISTENCES, with_password
from tests.faults.stack import Stack, running_stack


@pytest.fixture(scope="session")
def before() -> Path:
    """Where the release before stands; made unless it is there."""
    return release_before()


@pytest.fixture(params=["postgresql", "sqlite"])
async def case(
    request: pytest.FixtureRequest, tmp_path: Path, mark: str, before: Path
) -> AsyncIterator[Case]:
    """A stack of the release before, on a database that it has made; every rule of the checker must hold at
    the end, when the stack may be of either release.
    """
    with ExitStack() as running:
        url = f"sqlite:///{tmp_path / 'consensus.db'}"
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            url = with_password(running.enter_context(server.database()))
        # Longer than a process is away for want of a processor: what is drained gives its leases back.
        lease = {"LEASE_SECONDS": "20"}
        count = PERSISTENCES[request.param]
        stack = Stack(tmp_path, url, persistence_count=count, persistence_settings=lease)
        stack.run_from(before)
        await asyncio.to_thread(running.enter_context, running_stack(stack))
        async with running_case(stack, mark) as case:
            yield case


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    """A word that no other case's idea holds."""
    return f"Upgrade{request.node.name.translate(_ONLY_LETTERS)}"


_ONLY_LETTERS = {ord(each): None for each in "[]-_"}
