"""So many review and so many persistence processes, running, with whoever loads them."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.contenders import Loader
from tests.support.pair import PERSISTENCE, REVIEW, wait_serving
from tests.support.processes import Process, clean_environment, start_process, wait_started

CONNECTIONS = 8
"""To a port that processes share: each connection reaches the one that the kernel's hash picks."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How many processes of each; `shared`: each service's share a port (`--workers`), not replicas."""

    reviews: int
    persistences: int
    shared: bool = False

    @property
    def name(self) -> str:
        return f"{self.reviews} x {self.persistences}" + (", --workers" if self.shared else "")

    @property
    def shares_persistence(self) -> bool:
        """A review process that is alone reaches two persistence processes only through a port they share."""
        return self.persistences > 1 and (self.shared or self.reviews < self.persistences)


@dataclass(slots=True)
class Running:
    """A layout's processes by component, and its loaders."""

    layout: Layout
    pids: dict[str, list[int]]
    loaders: dict[str, Loader]


@contextlib.contextmanager
def running(
    layout: Layout, loads: Sequence[str], model_url: str, database_url: str, folder: Path
) -> Iterator[Running]:
    """Starts it, and stops all of it however the block ends; `loads` are reviews, records or both."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        stores = _start(
            stack, folder, "persistence_service", layout.persistences, layout.shares_persistence,
            DATABASE_URL=database_url, PERSISTENCE_LISTEN="127.0.0.1:0",
        )  # fmt: skip
        _addresses(stores, PERSISTENCE)
        addresses = [each.internal_address for each in stores]
        panels: list[Process] = []
        for number in range(1 if layout.shared else layout.reviews):
            panels += _start(
                stack, folder, "review_service", layout.reviews if layout.shared else 1, layout.shared,
                f"review_{number}", OPENAI_API_KEY="sk-benchmark-0123456789abcdef",
                OPENAI_BASE_URL=f"{model_url}/v1", REVIEW_LISTEN="127.0.0.1:0",
                PERSISTENCE_ADDRESS=addresses[number % len(addresses)],
                PERSISTENCE_CONNECTIONS=str(CONNECTIONS if layout.shares_persistence else 1),
            )  # fmt: skip
        fronts = _addresses(panels, REVIEW)
        ways = {"reviews": (layout.shared, fronts), "records": (layout.shares_persistence, addresses)}
        loaders = {what: _loader(stack, folder, what, *ways[what]) for what in loads}
        pids = {"review": _pids(panels), "persistence": _pids(stores)}
        yield Running(layout, pids, loaders)


def _start(
    stack: contextlib.ExitStack,
    folder: Path,
    module: str,
    count: int,
    shared: bool,
    name: str = "",
    **settings: str,
) -> list[Process]:
    """`count` replicas, or one supervisor of so many workers."""
    started = []
    for number in range(1 if shared else count):
        process = start_process(
            module, folder, clean_environment(LOG_FORMAT="json", **settings),
            name=name or f"{module}_{number}",
            arguments=["serve", f"--workers={count}"] if shared else [],
        )  # fmt: skip
        stack.callback(process.stop)
        started.append(process)
    return started


def _addresses(processes: list[Process], service: str) -> list[str]:
    addresses = [wait_started(each) for each in processes]
    for address in addresses:
        wait_serving(address, service)
    return addresses


def _loader(
    stack: contextlib.ExitStack, folder: Path, job: str, shared: bool, addresses: list[str]
) -> Loader:
    connections = str(CONNECTIONS if shared else 1)
    loader = Loader("tests.benchmarks.scale.loading", job, connections, *addresses, folder=folder)
    stack.callback(loader.close)
    return loader


def _pids(processes: list[Process]) -> list[int]:
    """Who works: a supervisor's workers, or the process itself."""
    found = []
    for each in processes:
        workers = psutil.Process(each.pid).children()
        found += [worker.pid for worker in workers] or [each.pid]
    return found
