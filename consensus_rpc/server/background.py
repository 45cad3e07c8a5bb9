"""Work that goes on for as long as a process serves."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()


def in_background(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that nobody awaits before the process stops: what ends it earlier is said when it does."""
    # Of a coroutine the types know no name, though each has one.
    task = asyncio.create_task(work, name=getattr(work, "__qualname__", None))
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.critical("background_work_failed", work=task.get_name(), trace=fault_trace(error))
