"""Stacks that cases harm and heal: one per database and test process, or a case's own."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.faults.case import Case, running_case
from tests.faults.stack import PASSWORD_CANARY, Stack, running_stack

DATABASES = ["sqlite", "postgresql"]
PERSISTENCES = {"sqlite": 1, "postgresql": 2}


def with_password(url: str) -> str:
    """The address with a password in it, which the server does not ask for and nobody may log."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace("@", f":{PASSWORD_CANARY}@")))


class Stacks:
    """Lends the stacks that cases share, each started when first asked for."""

    def __init__(self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> None:
        self._request = request
        self._folders = folders
        self._stacks: dict[str, Stack] = {}
        self.open = ExitStack()

    def lend(self, kind: str) -> Stack:
        if kind not in self._stacks:
            folder = self._folders.mktemp(f"stack_{kind}")
            url = self._database(kind, folder)
            stack = Stack(folder, url, persistence_count=PERSISTENCES[kind])
            self._stacks[kind] = self.open.enter_context(running_stack(stack))
        return self._stacks[kind]

    def _database(self, kind: str, folder: Path) -> str:
        if kind == "sqlite":
            return f"sqlite:///{folder / 'consensus.db'}"
        server = self._request.getfixturevalue("postgres_server")
        return with_password(self.open.enter_context(server.database()))


@pytest.fixture(scope="session")
def stacks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """Shared by all cases of a test process."""
    request.getfixturevalue("postgres_server")  # outlives the stacks
    lender = Stacks(request, tmp_path_factory)
    with lender.open:
        yield lender


@pytest.fixture
def mark() -> str:
    """A word that no other case's idea holds."""
    return f"Mark{uuid.uuid4().hex[:12]}"


@pytest.fixture
def about(request: pytest.FixtureRequest) -> str:
    """What is reviewed: an idea, by the built-in panel, unless a test is told "document" as well."""
    return str(getattr(request, "param", "idea"))


@pytest.fixture(params=DATABASES)
async def case(request: pytest.FixtureRequest, stacks: Stacks, mark: str, about: str) -> AsyncIterator[Case]:
    """A case on each database; every rule of the checker must hold at its end."""
    is_document = about == "document"
    async with running_case(stacks.lend(request.param), mark, is_document=is_document) as running:
        yield running


@pytest.fixture
async def postgresql_case(stacks: Stacks, mark: str) -> AsyncIterator[Case]:
    """A case on PostgreSQL alone."""
    async with running_case(stacks.lend("postgresql"), mark) as running:
        yield running
