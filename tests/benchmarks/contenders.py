"""Contenders as processes: started, loaded by commands, watched for time on the CPU and for memory."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.pair import PERSISTENCE, REVIEW, wait_serving
from tests.support.processes import Process, clean_environment, start_process, wait_started

_SAMPLE_SECONDS = 0.05


class Loader:
    """A process that loads something, command by command."""

    def __init__(self, module: str, *arguments: str, folder: Path, python: str = sys.executable) -> None:
        self._log = (folder / f"{module.rpartition('.')[2]}.log").open("ab")
        self._popen = subprocess.Popen(
            [python, "-m", module, *arguments], cwd=folder, env=clean_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self._read()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def load(self, **command: Any) -> dict[str, Any]:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(command) + "\n")
        self._popen.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise RuntimeError(f"a loader ended:\n{self.said()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def said(self) -> str:
        """The last of what it wrote to its log: each review that failed is a line there."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")[-2000:]

    def close(self) -> None:
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended, with a command still on its way
            self._popen.stdin.close()
        self._popen.wait(30)
        assert self._popen.stdout is not None
        self._popen.stdout.close()
        self._log.close()


@dataclass(slots=True)
class Contender:
    """Something that does the job: its loader, and the processes whose cost counts."""

    name: str
    loader: Loader
    pids: Sequence[int]
    others: list[Process] = field(default_factory=list)
    acks: Loader | None = None
    stores_in_postgres: bool = True

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids)

    def memory(self) -> int:
        return sum(resident_bytes(pid) for pid in self.pids)

    @contextlib.contextmanager
    def memory_peak(self) -> Iterator["Peak"]:
        with Peak(self) as peak:
            yield peak

    def close(self) -> None:
        for loader in (self.loader, self.acks):
            if loader is not None:
                loader.close()
        for process in self.others:
            process.stop()


class Peak:
    """The most memory that a contender has while the block runs, and what it had before, in bytes."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.idle = contender.memory()
        self.most = self.idle

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.most = max(self.most, self._contender.memory())


def cpu_seconds(pid: int) -> float:
    """Time on the CPU of a process, its children that ended, and those that live."""
    process = psutil.Process(pid)
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
            if each is process:
                total += times.children_user + times.children_system
    return total


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children."""
    process = psutil.Process(pid)
    total = 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total


def start_floor(kind: str, model_url: str, database_url: str, folder: Path) -> Contender:
    loader = Loader("tests.benchmarks.floors", kind, model_url, database_url, folder=folder)
    return Contender(kind, loader, [loader.pid])


def start_pair(
    name: str, model_url: str, database_url: str, folder: Path, *, reviews: int = 1, persistences: int = 1
) -> Contender:
    """The pair as it runs in production, logging as it does, to a file."""
    folder.mkdir()
    stores = [
        start_process(
            "persistence_service", folder,
            clean_environment(DATABASE_URL=database_url, PERSISTENCE_LISTEN="127.0.0.1:0", LOG_FORMAT="json"),
            name=f"persistence_{number}",
        )
        for number in range(persistences)
    ]  # fmt: skip
    for each in stores:
        wait_serving(wait_started(each), PERSISTENCE)
    addresses = [each.internal_address for each in stores]
    panels = [
        start_process(
            "review_service", folder,
            clean_environment(
                OPENAI_API_KEY="sk-benchmark-0123456789abcdef", OPENAI_BASE_URL=f"{model_url}/v1",
                PERSISTENCE_ADDRESS=addresses[number % persistences], REVIEW_LISTEN="127.0.0.1:0",
                LOG_FORMAT="json",
            ),
            name=f"review_{number}",
        )
        for number in range(reviews)
    ]  # fmt: skip
    fronts = [wait_started(each) for each in panels]
    for address in fronts:
        wait_serving(address, REVIEW)
    loader = Loader("tests.benchmarks.caller", *fronts, folder=folder)
    acks = Loader("tests.benchmarks.acks", addresses[0], folder=folder)
    processes = [*panels, *stores]
    return Contender(
        name, loader, [each.pid for each in processes], processes, acks, database_url.startswith("postgres")
    )
