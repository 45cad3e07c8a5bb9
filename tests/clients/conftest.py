"""The pair and the offline model, as processes, for clients in other languages; and who was left out."""

from collections.abc import Iterator

import pytest

from tests.support.access import keyed_pair, make_key
from tests.support.leaving_out import name_left_out
from tests.support.pair import Pair


@pytest.fixture(scope="session")
def pair_and_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, str]]:
    """Both as `pair` and `key` have them; keys are made while nothing holds the database."""
    folder = tmp_path_factory.mktemp("pair")
    url, beat = f"sqlite:///{folder / 'consensus.db'}", {"HEARTBEAT_SECONDS": "1"}
    pair = keyed_pair(folder, url, review=beat, persistence=beat)
    key = make_key(url, "--subject", "client", "--role", "submitter")
    try:
        pair.start()
        yield pair, key
    finally:
        pair.stop()


@pytest.fixture(scope="session")
def pair(pair_and_key: tuple[Pair, str]) -> Pair:
    """The real pair on SQLite, on free ports of the loopback; it asks for keys, and its hearts beat fast."""
    return pair_and_key[0]


@pytest.fixture(scope="session")
def key(pair_and_key: tuple[Pair, str]) -> str:
    """The key of a caller who may start reviews and read them."""
    return pair_and_key[1]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names each client that was not tried, and why."""
    name_left_out(terminalreporter)
