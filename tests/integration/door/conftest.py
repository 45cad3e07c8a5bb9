"""A door before a pair of this folder's own, on SQLite; and callers that speak plain HTTP to it."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.support.door import Door, start_door
from tests.support.pair import Pair, running_pair

__all__ = ["Door", "start_door"]


@pytest.fixture(scope="session")
def door_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("door_pair")
    with running_pair(
        folder,
        f"sqlite:///{folder / 'consensus.db'}",
        persistence={"WATCH_POLL_SECONDS": "0.1"},
        review={"HEARTBEAT_SECONDS": "0.2"},
    ) as running:
        yield running


@pytest.fixture(scope="session")
def door(door_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """With a small bound of bodies, so that tests need not send much to meet it."""
    started = start_door(
        door_pair,
        tmp_path_factory.mktemp("door"),
        DOOR_MAX_BODY_BYTES="200000",
        DOOR_ALLOWED_ORIGINS="https://pages.example",
    )
    try:
        yield started
    finally:
        started.process.stop()


@pytest.fixture
async def http(door: Door) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller of the door, as curl would be."""
    async with aiohttp.ClientSession(base_url=door.url) as session:
        yield session
