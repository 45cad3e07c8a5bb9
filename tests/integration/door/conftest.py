"""A door before a pair of this folder's own, on SQLite; and callers that speak plain HTTP to it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.pair import Pair, running_pair
from tests.support.processes import Process, clean_environment, start_process, wait_started


@dataclass(slots=True)
class Door:
    """A running door, and the pair behind it."""

    pair: Pair
    process: Process
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"


def start_door(pair: Pair, folder: Path, name: str = "consensus_door", **settings: str) -> Door:
    environment = clean_environment(
        **{
            "DOOR_LISTEN": "127.0.0.1:0",
            "DOOR_REVIEW_ADDRESS": pair.review_address,
            "DOOR_PERSISTENCE_ADDRESS": pair.persistence_address,
            "LOG_FORMAT": "json",
        }
        | settings
    )
    process = start_process("consensus_door", folder, environment, name=name)
    return Door(pair, process, wait_started(process))


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
