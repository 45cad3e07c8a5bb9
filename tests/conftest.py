"""What every test has: no network but loopback, and a real PostgreSQL for those that ask."""

import faulthandler
import gc
import ipaddress
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import postgres
from tests.support.processes import forking

# How long an example takes is the machine's.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# gRPC's handlers of fork now and then crash a child that is about to become another program; read when gRPC
# starts, so before any test does.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# What a shell starts in the background ignores SIGINT, and so would every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Likewise what nohup starts ignores SIGHUP.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# A thousand databases are made and dropped, and each commit waits for its disk: memory does the same faster.
# Read by pytest's workers and by every process that a test starts.
_MEMORY = Path("/dev/shm")
_LEAST_FREE_BYTES = 4 << 30


def has_room(folder: Path) -> bool:
    """Whether programs may be run from there, and there is room for all that tests leave behind."""
    try:
        stat = os.statvfs(folder)
    except OSError:
        return False
    is_usable = os.access(folder, os.W_OK) and not stat.f_flag & os.ST_NOEXEC
    return is_usable and stat.f_bavail * stat.f_frsize >= _LEAST_FREE_BYTES


if "TMPDIR" not in os.environ and has_room(_MEMORY):
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None  # pytest has asked where temporary files go before it read this


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Raise for a look-up or a connection that would leave this machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in {None, "", "localhost"} and not is_loopback(str(name)):
        raise RuntimeError(f"a test reached for the network: {event} {name}")


def is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(refuse_network)


# A time limit raises where a test waits. Should what cleans up after it wait in turn, or should it wait where
# no signal is heeded, nothing else would end it.
_GIVEN_UP_AFTER_LIMITS = 2
_stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_stderr] = os.dup(2)  # nothing captures it yet
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(Failures(config))


class Failures:
    """Says at once which test failed: a run that is ended from outside never comes to its summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter:
            reporter.write_line(f"\nfailed in its {report.when}: {report.nodeid}")


def given_up(item: pytest.Item) -> Generator[None, object, object]:
    """Show where a part of a test waits that outlasts twice its limit, and end its process."""
    marker = item.get_closest_marker("timeout")
    limit = float(marker.args[0] if marker else item.config.getini("timeout"))
    after = _GIVEN_UP_AFTER_LIMITS * limit
    faulthandler.dump_traceback_later(after, file=item.config.stash[_stderr], exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from given_up(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from given_up(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from given_up(item))


def pytest_collection_finish() -> None:
    """Thousands of tests are no garbage, so no collection need look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def forked_commands() -> Iterator[None]:
    """Commands that tests run are forked; their start from nothing is tested where it is what is shown."""
    with forking():
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server per test process; TEST_DATABASE_URL names another."""
    with postgres.server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with postgres_server.database() as url:
        yield url
