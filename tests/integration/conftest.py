"""Both services and the offline model as processes: one pair per database and test process, or one's own."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.pair import Client, Pair, running_pair

DATABASES = ["sqlite", "postgresql"]

StartPair = Callable[..., Pair]


@contextmanager
def _database(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'consensus.db'}"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


@pytest.fixture(scope="session", params=DATABASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair that tests share: they tell their calls apart by what stands in the idea."""
    folder = tmp_path_factory.mktemp(f"pair_{request.param}")
    with (
        _database(request.param, folder, request) as url,
        running_pair(folder, url, persistence={"WATCH_POLL_SECONDS": "0.1"}) as running,
    ):
        yield running


@pytest.fixture
async def client(pair: Pair) -> AsyncIterator[Client]:
    """A caller of the shared pair."""
    async with pair.client() as caller:
        yield caller


@pytest.fixture
def start_pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartPair]:
    """Starts a pair of the test's own, with its own settings, on SQLite unless `database` says otherwise."""
    with ExitStack() as stack:
        yield partial(_start, stack, request, tmp_path)


def _start(
    stack: ExitStack,
    request: pytest.FixtureRequest,
    folder: Path,
    *,
    database: str = "sqlite",
    **settings: Any,
) -> Pair:
    url = stack.enter_context(_database(database, folder, request))
    own: AbstractContextManager[Pair] = running_pair(folder, url, **settings)
    return stack.enter_context(own)


@pytest.fixture
def mark() -> str:
    """A word that no other test's idea holds, for rules of the model's script."""
    return f"Mark{uuid.uuid4().hex[:12]}"


@pytest.fixture
def idea(mark: str) -> str:
    """An idea that can be told from those of other tests."""
    return (
        f"{mark} lets nurses hand over a shift from one page. It replaces the paper form on two wards first, "
        "and it is done when handovers take under five minutes."
    )
