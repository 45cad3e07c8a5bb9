"""Both services and the offline model, as processes, for clients in other languages."""

import os
from collections.abc import Iterator

import pytest

from consensus_cli.local.stack import Addresses, Stack


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """The real pair on SQLite, on free ports of the loopback."""
    directory = tmp_path_factory.mktemp("pair")
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    database = f"sqlite:///{directory / 'consensus.db'}"
    with Stack(directory, quiet=True, environment={**kept, "DATABASE_URL": database}) as stack:
        stack.start_persistence()
        stack.start_model()
        stack.start_review()
        stack.wait_until_serving()
        yield stack.addresses
