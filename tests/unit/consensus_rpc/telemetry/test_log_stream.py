"""A log that cannot be written fails nobody: its lines are lost, and counted."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from consensus_rpc.telemetry.log import configure_logging, get_logger
from consensus_rpc.telemetry.log_stream import LINES_LOST, LogStream
from tests.unit.consensus_rpc.telemetry.test_log import unconfigured  # noqa: F401 - a fixture for all here

EVENTS = 50


def lost() -> float:
    return float(LINES_LOST._value.get())


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """Both ends of a pipe; closing them forgives what one of them holds."""
    reading, writing = os.pipe()
    ends = os.fdopen(reading), os.fdopen(writing, "w", buffering=1)
    yield ends
    for end in ends:
        with suppress(OSError):
            end.close()


def tell(stream: TextIO) -> float:
    """Logs some events there; how many lines were lost by it."""
    configure_logging("probe", log_format="json", stream=stream)
    before = lost()
    for _ in range(EVENTS):
        get_logger().info("step_finished", step="expand")
    return lost() - before


def test_a_closed_pipe_loses_lines_and_raises_nothing(pipe: tuple[TextIO, TextIO]) -> None:
    pipe[0].close()

    assert tell(pipe[1]) >= EVENTS


def test_a_full_disk_loses_lines_and_raises_nothing() -> None:
    full = Path("/dev/full").open("w", buffering=1, encoding="utf-8")  # noqa: SIM115 - its closing raises
    assert tell(full) >= EVENTS
    with suppress(OSError):
        full.close()


def test_a_closed_stream_loses_lines_and_raises_nothing(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        pass

    assert tell(stream) >= EVENTS


def test_a_pipe_that_nobody_reads_is_waited_for_once_and_not_again(pipe: tuple[TextIO, TextIO]) -> None:
    stream = LogStream(pipe[1])
    line = "x" * 1000 + "\n"
    began = time.monotonic()
    for _ in range(10_000):
        stream.write(line)

    assert time.monotonic() - began < 5  # 10 MB into a pipe of 64 KB, at 50 ms a line were eight minutes
    before = lost()
    os.read(pipe[0].fileno(), 60_000)
    assert stream.write(line) == len(line)
    assert lost() == before


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_value_that_cannot_be_told_fails_nobody(tmp_path: Path, log_format: str) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        configure_logging("probe", log_format=log_format, stream=stream)  # type: ignore[arg-type]  # one of them
        get_logger().info("step_finished", step=Unprintable())

    assert '"event":"step_finished"' in (tmp_path / "log").read_text(encoding="utf-8")
