"""Processes that a command starts, waits for, and always stops."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_POLL_SECONDS = 0.01
_LOG_TAIL_LINES = 12
_LOG_TAIL_CHARACTERS = 300
_PR_SET_PDEATHSIG = 1


class ChildFailed(Exception):  # noqa: N818 - says what happened
    """A process ended, or did not become ready in time; the message says which, and how its log ends."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process. `log` is None where it writes to this process's own output."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    def describe_end(self) -> str:
        """How it ended: in one line where it says why, else with the last lines of its log."""
        if reason := self.logged("start_refused", "reason"):
            return f"{self.name}: {reason}"
        said = f"{self.name} ended with exit code {self.process.returncode}"
        return f"{said}{self.log_tail()}"

    def logged(self, event: str, field: str) -> str:
        """What the last entry of this name says in a field; empty where there is none, or no log."""
        if self.log is None or not self.log.exists():
            return ""
        found = ""
        for line in self.log.read_text(encoding="utf-8", errors="backslashreplace").splitlines():
            if f'"{event}"' in line:
                with suppress(ValueError):
                    entry = json.loads(line)
                    found = str(entry.get(field, "")) if entry.get("event") == event else found
        return found

    def log_tail(self) -> str:
        """The end of its log, indented; nothing where it has none."""
        if self.log is None or not self.log.exists():
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        if not lines:
            return f"; its log {self.log} is empty"
        shown = "".join(f"\n  {line[:_LOG_TAIL_CHARACTERS]}" for line in lines[-_LOG_TAIL_LINES:])
        return f"; its log {self.log} ends:{shown}"


@dataclass(slots=True)
class Children:
    """Starts processes and, when the block ends for whatever reason, stops those that it started.

    They are asked one after the other, in the order given by `stop_first` and then that of their start, each
    with `grace_seconds` to end before it is killed. Where `is_tied`, on Linux, they are asked too when this
    process dies; that needs a process that has not started threads yet.
    """

    stop_first: Sequence[str] = ()
    grace_seconds: float = 30.0
    is_tied: bool = False
    _children: dict[str, Child] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
    ) -> Child:
        """Starts a module of this interpreter, as `python -m arguments…`, in a session of its own.

        So a Ctrl-C on the terminal reaches this process alone, and it decides in which order they end.
        """
        output = None if log is None else log.open("wb")
        try:
            process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", *arguments],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()) if self.is_tied else None,
            )
        finally:
            if output is not None:
                output.close()
        child = self._children[name] = Child(name, process, log)
        return child

    def wait_until(
        self, is_ready: Callable[[], bool], what: str, seconds: float, *, poll_seconds: float = _POLL_SECONDS
    ) -> None:
        """Waits for a condition while all processes live.

        Raises:
            ChildFailed: when one of them ends, or the time is over.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                tails = "".join(f"\n{child.name}{child.log_tail()}" for child in self._children.values())
                raise ChildFailed(f"{what} not ready after {seconds:g} s{tails}")
            time.sleep(poll_seconds)

    def check(self) -> None:
        """Makes sure that all processes live.

        Raises:
            ChildFailed: when one has ended.
        """
        for child in self._children.values():
            if child.process.poll() is not None:
                raise ChildFailed(child.describe_end())

    def logged(self, name: str, event: str, field: str) -> str:
        """As `Child.logged`, of the process of this name."""
        return self._children[name].logged(event, field)

    def said(self, beginning: str) -> list[str]:
        """Lines of all logs that begin so, each once."""
        logs = [
            child.log for child in self._children.values() if child.log is not None and child.log.exists()
        ]
        lines = (line for log in logs for line in log.read_text("utf-8", "backslashreplace").splitlines())
        return list(dict.fromkeys(line for line in lines if line.startswith(beginning)))

    def stop(self) -> None:
        """Asks each to end, in order, and kills what does not; signals meanwhile change nothing."""
        order = [name for name in self.stop_first if name in self._children]
        with _undisturbed():
            for name in [*order, *(other for other in self._children if other not in order)]:
                _stop(self._children[name].process, self.grace_seconds)
        self._children.clear()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignores the signals that end a process; only a main thread can, and only it receives them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _stop(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    if process.poll() is None:
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)
        return
    process.kill()
    process.wait()


def _die_with(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes another program: asks the kernel to end it with its parent."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arrange


def reserve_port(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket that keeps a free port from being given to others, until it is closed.

    It never listens, so a server that sets SO_REUSEADDR, as servers do, can bind the port meanwhile.

    Raises:
        OSError: when the port is taken.
    """
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
    except OSError:
        held.close()
        raise
    return held


def address_of(held: socket.socket) -> str:
    """The `host:port` that a socket is bound to."""
    host, port = held.getsockname()
    return f"{host}:{port}"
