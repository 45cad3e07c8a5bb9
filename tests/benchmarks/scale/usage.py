"""What the processes used of the cores while something was measured, and what that says was the limit."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from tests.benchmarks.contenders import cpu_seconds

PERIOD_SECONDS = 0.02
_FULL = 0.9
"""Of what there is: beyond it a core, or all of them, count as used up."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores used, 1.0 being one whole: by each process of a component, and by the machine altogether."""

    seconds: float
    cores: int
    by_process: Mapping[str, Sequence[float]]
    machine: float
    held_to: float | None = None
    """The share of a core that each persistence process was held to."""

    def of(self, component: str) -> float:
        """Of all processes of a component."""
        return sum(self.by_process[component])

    @property
    def others(self) -> float:
        """Of everything on the machine that does not belong to the benchmark."""
        return max(0.0, self.machine - sum(map(self.of, self.by_process)))

    def bottleneck(self) -> str:
        """What was used up, by what was measured and nothing else."""
        if self.held_to is not None and self.of("persistence") >= _FULL * self.held_to * len(
            self.by_process["persistence"]
        ):
            return f"persistence, held to {self.held_to:.2f} of a core each"
        if self.machine >= _FULL * self.cores:
            shares = {name: self.of(name) for name in self.by_process} | {"other work": self.others}
            most = sorted(shares.items(), key=lambda item: item[1], reverse=True)[:3]
            users = ", ".join(f"{name} {share:.2f}" for name, share in most)
            return f"the cores: {self.machine:.2f} of {self.cores} busy ({users})"
        for component, each in self.by_process.items():
            if max(each) >= _FULL and component != "PostgreSQL":
                return f"one core: a process of {component} used {max(each):.2f} of it"
        return f"no core: {self.machine:.2f} of {self.cores} busy, the rest was waiting"


@dataclass(slots=True)
class Meter:
    """Filled when the block of `metered` ends."""

    usage: Usage | None = field(default=None)

    def result(self) -> Usage:
        assert self.usage is not None
        return self.usage


@contextlib.contextmanager
def metered(pids: Mapping[str, Sequence[int]], held_to: float | None = None) -> Iterator[Meter]:
    """Measures the block: time on the CPU of processes (with their children) and of the machine."""
    meter = Meter()
    before, machine, began = _used(pids), _busy_seconds(), time.perf_counter()
    yield meter
    seconds, busy = time.perf_counter() - began, _busy_seconds() - machine
    after = _used(pids)
    shares = {
        name: [(late - early) / seconds for early, late in zip(before[name], after[name], strict=True)]
        for name in pids
    }
    cores = os.cpu_count() or 1
    meter.usage = Usage(seconds, cores, shares, busy / seconds, held_to)


def _used(pids: Mapping[str, Sequence[int]]) -> dict[str, list[float]]:
    return {name: [cpu_seconds(pid) for pid in each] for name, each in pids.items()}


def _busy_seconds() -> float:
    """Of all cores, since the machine started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # A guest's time is counted as its user's too.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - guests)


@contextlib.contextmanager
def held(pids: Sequence[int], share: float) -> Iterator[None]:
    """Lets each process run for that share of the time only, one after the other.

    It makes spare cores where there are none: whatever else a second process needs is free then.
    """
    stop = threading.Event()
    threads = [
        threading.Thread(target=_hold, args=(pid, share, number / len(pids), stop), daemon=True)
        for number, pid in enumerate(pids)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _hold(pid: int, share: float, offset: float, stop: threading.Event) -> None:
    process = psutil.Process(pid)
    stop.wait(offset * PERIOD_SECONDS)
    try:
        while not stop.is_set():
            process.resume()
            stop.wait(share * PERIOD_SECONDS)
            process.suspend()
            stop.wait((1 - share) * PERIOD_SECONDS)
    finally:
        process.resume()
