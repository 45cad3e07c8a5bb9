"""Answers that wait for their readers: bounded in time and in bytes, and reset beyond.

A status stands behind the data that a reader does not take, and gRPC keeps both for as long as the
connection lives. grpc.aio has no call to reset a stream with. It does so when it lets go of a call that has
not ended, and it lets go once both tasks of the call are over: the one that runs the handler, and the one
that waits for the caller to leave.
"""

import asyncio
import gc
from collections.abc import Iterable
from contextvars import Context
from dataclasses import dataclass
from typing import NoReturn

from consensus_rpc.errors import SlowConsumer
from consensus_rpc.server.deadlines import Deadlines
from consensus_rpc.server.outgoing import StreamWriter
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.metrics import Counts

_log = get_logger()

_LAST_WORD_SECONDS = 5.0
_SWEEP_SECONDS = 1.0
# Smaller messages are not counted: a window takes them.
_SMALL_BYTES = 64 * 1024
_OUTER_TASK = "rpc_task"

Task = asyncio.Task[object]


@dataclass(slots=True)
class _Unread:
    method: str
    request_id: str
    size: int
    since: float
    until: float
    is_last_word: bool


class UnreadAnswers:
    """The calls of one server whose last bytes have not been taken yet, the oldest first.

    A reader has `slow_seconds`; of all that wait, the oldest are reset beyond `max_bytes`.
    """

    def __init__(self, counts: Counts, *, slow_seconds: float, max_bytes: int) -> None:
        self._slow_seconds = slow_seconds
        self._writes = Deadlines(slow_seconds)
        self._counts = counts
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: dict[Task, _Unread] = {}
        self._large: dict[Task, tuple[int, float]] = {}  # messages being written: bytes, and since when
        self._is_sweeping = False
        self._take = self._taken  # bound once: it is handed to every call

    async def write(self, context: StreamWriter[bytes], raw: bytes) -> None:
        """Returns once the transport has taken the message.

        Raises:
            SlowConsumer: the reader did not take it in time.
        """
        task = asyncio.current_task() if len(raw) > _SMALL_BYTES else None
        if task is not None:
            self._begin_large(task, len(raw))
        try:
            await self._writes.within(context.write(raw))
        except TimeoutError as error:
            raise SlowConsumer from error
        finally:
            if task is not None:
                self._bytes -= self._large.pop(task)[0]

    def _begin_large(self, task: Task, size: int) -> None:
        loop = asyncio.get_running_loop()
        self._large[task] = (size, loop.time())
        self._bytes += size
        self._ensure_sweeping(loop)

    def add(self, method: str, request_id: str, size: int, *, is_last_word: bool = False) -> None:
        """The current task ends its call with so many bytes; they wait from now on.

        `is_last_word`: the reader has had its time, and is told so before the stream is reset.
        """
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        now = loop.time()
        seconds = min(self._slow_seconds, _LAST_WORD_SECONDS) if is_last_word else self._slow_seconds
        self._waiting[task] = _Unread(method, request_id, size, now, now + seconds, is_last_word)
        self._bytes += size
        task.add_done_callback(self._take)
        self._ensure_sweeping(loop)

    def reset_now(self) -> NoReturn:
        """Resets the current task's call, which cannot be answered.

        Raises:
            CancelledError: so that the task ends.
        """
        task = asyncio.current_task()
        assert task is not None
        if task in self._waiting:
            self._reset({task: self._waiting[task]})
        raise asyncio.CancelledError

    def _taken(self, task: Task) -> None:
        unread = self._waiting.pop(task, None)
        if unread is not None:
            self._bytes -= unread.size

    def _ensure_sweeping(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_sweeping:
            self._is_sweeping = True
            self._sweep_later(loop)

    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        every = min(_SWEEP_SECONDS, self._slow_seconds / 4)
        loop.call_later(every, self._sweep, loop, context=Context())  # not that of the call which began it

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = {task: each for task, each in self._waiting.items() if each.until <= now}
        late |= self._beyond_bytes(late, now)
        if late:
            self._reset(late)
        if self._waiting or self._large:
            self._sweep_later(loop)
        else:
            self._is_sweeping = False

    def _beyond_bytes(self, late: dict[Task, _Unread], now: float) -> dict[Task, _Unread]:
        """The oldest ends, until the rest fits; where they are not enough, messages are given up too.

        What has only just begun is left alone, and who was told to go is waited for no longer.
        """
        excess = self._bytes - self._max_bytes
        if excess <= 0:
            return {}
        settled = now - _SWEEP_SECONDS
        ends = [(task, each) for task, each in self._waiting.items() if task not in late]
        found = {task: each for task, each in ends if each.is_last_word and each.since <= settled}
        excess -= sum(each.size for each in late.values())
        excess -= sum(each.size for _, each in ends if each.is_last_word)
        for task, each in ends:
            if excess > 0 and each.size and each.since <= settled and not each.is_last_word:
                found[task] = each
                excess -= each.size
        for task, (size, since) in list(self._large.items()):
            if excess > 0 and since <= settled:
                self._writes.give_up(task)
                excess -= size
        return found

    def _reset(self, late: dict[Task, _Unread]) -> None:
        for task, unread in late.items():
            self._taken(task)
            self._counts.streams_reset.inc()
            _log.warning(
                "stream_reset",
                method=unread.method,
                request_id=unread.request_id,
                unread_bytes=unread.size,
            )
        reset_streams(late)


def reset_streams(tasks: Iterable[Task]) -> None:
    """Makes gRPC let go of the calls that these tasks handle: their streams are reset, their bytes freed.

    grpc.aio's own loop holds a server's newest call until the next one comes, and its very first for good.
    """
    wanted = set(tasks)
    for outer in asyncio.all_tasks():
        if outer.get_name() == _OUTER_TASK and (inner := _handling(outer, wanted)) is not None:
            inner.cancel()
            if getattr(outer, "_fut_waiter", None) is not inner:  # else the caller has left already
                outer.cancel()


def _handling(outer: Task, wanted: set[Task]) -> Task | None:
    """Which of the tasks this one has started: its coroutine, compiled, holds it where only gc sees it."""
    for scope in gc.get_referents(outer.get_coro()):
        for held in gc.get_referents(scope):
            if isinstance(held, asyncio.Task) and held in wanted:
                return held
    return None
