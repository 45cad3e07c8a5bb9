"""One pair that asks for keys, for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.support.access import keyed_pair, make_key
from tests.support.pair import REVIEW, Pair, wait_serving

ROLES = ("viewer", "submitter", "decider", "operator", "admin", "service")


@pytest.fixture(scope="package")
def keys() -> dict[str, str]:
    """A key of each role in the tenant `default`; `other` is an administrator of another tenant."""
    return {"none": ""}


@pytest.fixture(scope="package")
def keyed(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("keyed")
    url = f"sqlite:///{folder / 'consensus.db'}"
    running = keyed_pair(
        folder, url, review={"KEY_CACHE_SECONDS": "1"}, persistence={"KEY_CACHE_SECONDS": "1"}
    )
    for role in ROLES:
        keys[role] = make_key(url, "--subject", role, "--role", role)
    keys["other"] = make_key(url, "--subject", "other", "--role", "admin", "--tenant", "other")
    keys["ann"] = make_key(url, "--subject", "bot", "--role", "submitter", "--user", "ann")
    keys["own"] = make_key(url, "--subject", "ann", "--role", "admin", "--user", "ann")
    keys["team"] = make_key(url, "--subject", "bot", "--role", "submitter", "--user-prefix", "team/")
    try:
        running.start()
        wait_serving(running.review_address, REVIEW)
        yield running
    finally:
        running.stop()
