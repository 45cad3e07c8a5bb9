"""A small real model behind llama.cpp's HTTP server, started once for all tests here."""

from collections.abc import Iterator

import pytest

from tests.model.llama import running_llama


@pytest.fixture(scope="session")
def llama_url() -> Iterator[str]:
    """The server's address, ending in `/v1`."""
    with running_llama() as (url, _):
        yield url
