"""Starts a module by forking a process that has imported what it needs: most of what a start takes.

`python -m tests.support.fork_server <descriptor> <name>...` imports what is named, packages of ours with all
that they hold, begins no thread, and answers on the stream socket it was given, a line of JSON each way. A
child is told what a new process would have: what to run, its arguments, environment, folder, and files in
place of its three streams; it then runs that package as `__main__`. gRPC's servers now and then crash in a
child of a process that has imported gRPC; so what serves is forked where libraries alone were imported, and
not that one.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_LOOK_SECONDS = 0.05
# It answers at once, but the first time, when it has imported everything.
_ANSWER_SECONDS = 100.0


class ForkServer:
    """One process that has imported, and the children it forked, which are waited for through it."""

    def __init__(self, *imported: str) -> None:
        """Start it; what is forked before it has imported everything waits for that."""
        self.imported = imported
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join((str(_ROOT), str(_ROOT / "gen")))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "tests.support.fork_server", str(theirs.fileno()), *imported],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": paths, "PYTHONUTF8": "1"},
            )
        ours.settimeout(_ANSWER_SECONDS)
        self._socket = ours
        self._lines = ours.makefile("rw", encoding="utf-8")
        self._lock = threading.Lock()

    def ask(self, **question: Any) -> Any:
        """One question and its answer; any thread may ask."""
        with self._lock:
            self._lines.write(json.dumps(question) + "\n")
            self._lines.flush()
            answer = self._lines.readline()
        if not answer:
            raise RuntimeError(f"the fork server of {', '.join(self.imported)} has ended")
        return json.loads(answer)

    def start(
        self,
        module: str,
        folder: Path,
        environment: Mapping[str, str],
        arguments: Sequence[str],
        *,
        output: Path,
        errors: Path | None = None,
        typed: Path | None = None,
    ) -> "Child":
        """Start `python -m module`; what it writes is appended to files, errors to the same."""
        pid = self.ask(
            module=module,
            folder=str(folder),
            environment=dict(environment),
            arguments=list(arguments),
            streams=[str(typed or os.devnull), str(output), str(errors or output)],
        )
        return Child(self, pid)

    def close(self) -> None:
        """End it; its children go on."""
        self._lines.close()
        self._socket.close()
        self._process.wait(10)


@dataclass(slots=True)
class Child:
    """A process that a fork server started."""

    server: ForkServer
    pid: int
    returncode: int | None = field(default=None, init=False)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.server.ask(wait=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        ends = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while (status := self.poll()) is None:
            if ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired(self.server.imported, cast("float", timeout))
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK_SECONDS)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self.send_signal(9)


def _import(name: str) -> None:
    """A library's module, or one of our packages with all that it holds."""
    module = importlib.import_module(name)
    if Path(module.__file__ or "").parent.parent == _ROOT:
        for each in pkgutil.walk_packages(module.__path__, f"{name}."):
            importlib.import_module(each.name)


def _serve(descriptor: int, imported: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """Answers until nobody asks any more; in a child, returns what to run and with which arguments."""
    for each in imported:
        _import(each)
    gc.collect()
    gc.freeze()
    connection = socket.socket(fileno=descriptor)
    lines = connection.makefile("rw", encoding="utf-8")
    while line := lines.readline():
        question = json.loads(line)
        if "wait" in question:
            pid, status = os.waitpid(question["wait"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif answer := os.fork():
            pass
        else:
            connection.detach()
            os.close(descriptor)
            _become(question)
            return question["module"], question["arguments"]
        lines.write(json.dumps(answer) + "\n")
        lines.flush()
    return None


def _become(question: Mapping[str, Any]) -> None:
    """Takes on what a new process would have been given."""
    module = question["module"]
    for standard, path in enumerate(question["streams"]):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT if standard else os.O_RDONLY
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, standard)
        os.close(opened)
    os.chdir(question["folder"])
    os.environ.clear()
    os.environ.update(question["environment"])
    sys.modules.pop(f"{module}.__main__", None)  # it is about to run
    sys.orig_argv = [sys.executable, "-m", module, *question["arguments"]]
    sys.path[0] = str(Path.cwd())


def main(descriptor: int, imported: Sequence[str]) -> None:
    """Serve forks; a child leaves the serving and runs what it was forked for."""
    if wanted := _serve(descriptor, imported):
        module, arguments = wanted
        sys.argv[1:] = arguments
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
