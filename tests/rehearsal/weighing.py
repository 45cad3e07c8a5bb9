"""What the processes and the database take, looked at during the day."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.faults.stack import Stack
from tests.support.postgres import Cluster

_EVERY_SECONDS = 2.0
_MIB = 2**20


@dataclass(slots=True)
class Weight:
    """Resident memory in MiB, and CPU time, of one process; one that was replaced goes on under its name."""

    first: float = 0.0
    most: float = 0.0
    last: float = 0.0
    _seconds_by_process: dict[int, float] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """Of all its processes, each as last seen."""
        return sum(self._seconds_by_process.values())

    def add(self, pid: int, mebibytes: float, cpu_seconds: float) -> None:
        self.first = self.first or mebibytes
        self.most = max(self.most, mebibytes)
        self.last = mebibytes
        self._seconds_by_process[pid] = cpu_seconds


@dataclass(slots=True)
class Scales:
    """Weighs every process of a stack every other second."""

    stack: Stack
    weights: dict[str, Weight] = field(default_factory=dict)

    async def weigh(self) -> None:
        """Until it is cancelled."""
        while True:
            for process in (*self.stack.reviews, *self.stack.persistences):
                with suppress(psutil.Error):
                    seen = psutil.Process(process.pid)
                    times = seen.cpu_times()
                    weight = self.weights.setdefault(process.name, Weight())
                    weight.add(process.pid, seen.memory_info().rss / _MIB, times.user + times.system)
            await asyncio.sleep(_EVERY_SECONDS)


def database_mebibytes(server: Cluster) -> float:
    """What all databases of a server take on its disk."""
    return float(str(server.ask("SELECT sum(pg_database_size(datname)) FROM pg_database"))) / _MIB


def log_position(server: Cluster) -> int:
    """How many bytes of write-ahead log it has written, from the beginning of its cluster."""
    return int(str(server.ask("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")))
