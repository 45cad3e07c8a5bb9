"""Several processes of one service on the same ports: started, watched, replaced, drained together.

`supervise` turns the process that it is called in into the supervisor, `python -m
consensus_rpc.process.workers`: a small program without gRPC, since channels and servers do not survive a
fork. It keeps the ports, and starts the very command that it was started with once for each worker; these
bind the ports too (SO_REUSEPORT), and the kernel spreads connections over them.

A supervisor ends its workers by closing a pipe, which happens however it dies. So no signal is sent twice
where an init system has sent it to all processes: a second one ends a server at once.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from consensus_rpc.process.place import Place, nth_address
from consensus_rpc.process.port_file import write_port_file
from consensus_rpc.process.shared_port import PortTakenError, reserved
from consensus_rpc.process.stop_signals import is_impatient, stop_signals
from consensus_rpc.telemetry.log import LogFormat, configure_logging, get_logger

if TYPE_CHECKING:
    from consensus_rpc.process.settings import ServerSettings  # a supervisor needs no pydantic

_log = get_logger()

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 30.0
_SETTLED_SECONDS = 30.0
_MOST_FAILED_STARTS = 5
# Beyond the grace that calls in flight have, a worker has this long to close what it holds.
_CLOSE_SECONDS = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is supervised; `command` starts one worker."""

    count: int
    grace_seconds: float
    port_file: Path | None
    command: Sequence[str]


class _GaveUp(Exception):  # noqa: N818 - says what happened
    def __init__(self, returncode: int) -> None:
        super().__init__(returncode)
        self.returncode = returncode


def supervise(
    service: str, settings: "ServerSettings", *, count: int, listens: Sequence[str], port_file: Path | None
) -> NoReturn:
    """Replaces this program by the supervisor of `count` workers; its process id stays.

    Raises:
        SystemExit: 1, after a line in the log, when there are not ports enough for the workers' metrics.
    """
    try:
        if settings.metrics_listen:
            nth_address(settings.metrics_listen, count - 1)
    except ValueError as error:
        _refuse(f"METRICS_LISTEN: {error}")
    options = [
        f"--service={service}", f"--count={count}", *(f"--listen={each}" for each in listens),
        f"--grace-seconds={settings.drain_grace_seconds}",
        f"--log-level={settings.log_level}", f"--log-format={settings.log_format}",
    ]  # fmt: skip
    if port_file is not None:
        options.append(f"--port-file={port_file}")
    command = [sys.executable, *sys.orig_argv[1:]]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(  # noqa: S606 - our own module, and no shell
        sys.executable, [sys.executable, "-m", "consensus_rpc.process.workers", *options, "--", *command]
    )


def _refuse(reason: str) -> NoReturn:
    _log.critical("start_refused", reason=reason)
    raise SystemExit(1)


def next_delay(delay: float, lived_seconds: float) -> float:
    """The wait before a worker is replaced that lived so long; `delay` was the wait before it."""
    if delay == 0.0 or lived_seconds >= _SETTLED_SECONDS:
        return FIRST_DELAY_SECONDS
    return min(LONGEST_DELAY_SECONDS, delay * 2)


def exit_code(returncode: int) -> int:
    """The code that a shell would show: 128 and the signal's number for a process that one ended."""
    return 128 - returncode if returncode < 0 else returncode


class Supervisor:
    """Keeps workers running until told to stop."""

    def __init__(self, plan: Plan, addresses: Sequence[str]) -> None:
        """Starts nothing yet; `addresses` are those that are reserved."""
        self._plan = plan
        self._addresses = tuple(addresses)
        self._lifeline, self._hold = os.pipe()
        self._is_held = True
        self._stopping = asyncio.Event()
        self._first_started = asyncio.Event()
        self._started: set[int] = set()
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._returncodes: list[int] = []

    async def run(self) -> int:
        """Runs them until SIGTERM, SIGINT, SIGHUP, or one that cannot be started; the exit code.

        The first is started alone, so that what keeps all from starting is said once.
        """
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            async with asyncio.TaskGroup() as keepers:
                for index in range(self._plan.count):
                    keepers.create_task(self._keep(index))
        except* _GaveUp as gave_up:
            self._returncodes = [_first(gave_up).returncode or 1]
        self._stop()
        for process in list(self._running.values()):
            await process.wait()
        os.close(self._lifeline)
        code = next((exit_code(each) for each in self._returncodes if each), 0)
        _log.info("workers_stopped", exit_code=code)
        return code

    async def _keep(self, index: int) -> None:
        """Runs a worker, and another when that ends, until told to stop."""
        if index:
            await self._first_started.wait()
        delay, failed_starts = 0.0, 0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            has_started, returncode = await self._run_one(index)
            if self._stopping.is_set():
                self._returncodes.append(returncode)
                return
            failed_starts = 0 if has_started else failed_starts + 1
            if failed_starts and (failed_starts == _MOST_FAILED_STARTS or not self._all_started()):
                _log.critical("worker_cannot_start", worker=index, exit_code=exit_code(returncode))
                raise _GaveUp(returncode)
            delay = next_delay(delay, loop.time() - began)
            _log.warning("worker_ended", worker=index, exit_code=exit_code(returncode), replaced_after=delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_one(self, index: int) -> tuple[bool, int]:
        """Whether it came as far as to start, and how it ended."""
        receiver, sender = os.pipe()
        place = Place(index=index, listens=self._addresses, lifeline=self._lifeline, started=sender)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._plan.command,
                env=os.environ | place.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(self._lifeline, sender),
                start_new_session=True,  # a Ctrl-C on the terminal reaches the supervisor alone
            )
        finally:
            os.close(sender)
        self._running[index] = process
        _log.info("worker_begins", worker=index, pid=process.pid)
        has_started = await _says_something(receiver)
        if has_started:
            self._note_started(index)
        return has_started, await process.wait()

    def _note_started(self, index: int) -> None:
        was_complete = self._all_started()
        self._started.add(index)
        self._first_started.set()
        if self._all_started() and not was_complete:
            _log.info("workers_listening", addresses=self._addresses, workers=self._plan.count)
            if self._plan.port_file is not None:
                write_port_file(self._plan.port_file, self._addresses)

    def _all_started(self) -> bool:
        """Whether each has started at least once."""
        return len(self._started) == self._plan.count

    def _on_signal(self, number: int) -> None:
        if not self._stopping.is_set():
            _log.info("stopping", signal=signal.Signals(number).name)
            self._stop()
            return
        if not is_impatient(number):
            return
        _log.warning("stopped_at_once", signal=signal.Signals(number).name)
        self._returncodes.append(-number)
        self._kill()

    def _stop(self) -> None:
        if not self._is_held:
            return
        self._is_held = False
        self._stopping.set()
        self._first_started.set()
        os.close(self._hold)
        loop = asyncio.get_running_loop()
        loop.call_later(self._plan.grace_seconds + _CLOSE_SECONDS, self._kill)

    def _kill(self) -> None:
        for index, process in self._running.items():
            if process.returncode is None:
                _log.error("worker_killed", worker=index, pid=process.pid)
                process.kill()


def _first(group: BaseExceptionGroup[_GaveUp]) -> _GaveUp:
    """The one that the others followed from, if there are several."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _says_something(receiver: int) -> bool:
    """Whether a byte comes through the pipe before it ends; closes it."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(receiver, readable.set)
    try:
        await readable.wait()
        return os.read(receiver, 1) != b""
    finally:
        loop.remove_reader(receiver)
        os.close(receiver)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m consensus_rpc.process.workers", description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--listen", required=True, action="append")
    parser.add_argument("--grace-seconds", type=float, required=True)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--log-format", default="auto")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def main() -> int:
    """Runs the workers that the arguments name; the exit code."""
    given = _arguments()
    log_format: LogFormat = given.log_format
    configure_logging(given.service, level=given.log_level, log_format=log_format)
    try:
        with ExitStack() as held:
            addresses = [held.enter_context(reserved(each)) for each in given.listen]
            plan = Plan(
                count=given.count,
                grace_seconds=given.grace_seconds,
                port_file=given.port_file,
                command=given.command,
            )
            return asyncio.run(Supervisor(plan, addresses).run())
    except PortTakenError as refusal:
        _refuse(f"cannot listen on {refusal}: is it in use?")


if __name__ == "__main__":
    sys.exit(main())
