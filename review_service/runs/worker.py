"""The runs that this process works on: their tasks, their number, where new ones come from, how they end."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import Overloaded, ShuttingDown
from consensus_rpc.server.background import in_background
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import bind_contextvars, bind_request_id, get_logger
from review_service.record.ledger import Begun, Granted, Ledger, NewRun
from review_service.record.live_events import LiveEvents
from review_service.record.run_ledger import RecordingEnded, RunLedger
from review_service.runs.counting import CLAIM_LIMIT, GIVEN_BACK, RUNS_IN_FLIGHT, RUNS_LEFT, RUNS_LIMIT
from review_service.runs.pace import Pace
from review_service.runs.run import ModelSteps, ReviewRun

FollowRun = persistence_service_pb2.FollowRun

_log = get_logger()
_MAX_CLAIM = 100


class Execution:
    """A run begun for a caller: `begun` ends with None, the run to follow instead, or an error."""

    __slots__ = ("begun", "events", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.events = LiveEvents()
        self.begun: asyncio.Future[FollowRun | None] = asyncio.get_running_loop().create_future()

    @property
    def has_begun(self) -> bool:
        """Whether the run was created by this process for this caller."""
        return self.begun.done() and self.begun.exception() is None and self.begun.result() is None


class Worker:
    """Owns the tasks of all runs of this process; callers come and go without touching them."""

    def __init__(
        self, ledger: Ledger, steps: ModelSteps, pace: Pace, *, max_runs: int, claim_interval_seconds: float
    ) -> None:
        """`pace` says how many queued runs are worked on; with callers' own they are at most `max_runs`."""
        self._ledger = ledger
        self._steps = steps
        self._pace = pace
        self._max_runs = max_runs
        RUNS_LIMIT.set(max_runs)
        self._claim_interval_seconds = claim_interval_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._granted: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._wants_more = False
        self._claiming: asyncio.Task[None] | None = None
        self._is_draining = False
        self.has_stopped = False

    def begin(self, run: NewRun, *, answer_within: float | None) -> Execution:
        """Begins a run in a task of its own, whatever becomes of the caller.

        Raises:
            Overloaded: when there is no room; nothing was written.
            ShuttingDown: when no new run is begun any more.
        """
        if self._is_draining:
            raise ShuttingDown
        if len(self._tasks) >= self._max_runs:
            raise Overloaded(subject="runs in flight", limit=self._max_runs)
        execution = Execution(run.run_id)
        self._own(self._tasks, self._begin(execution, run, answer_within))
        return execution

    def start_claiming(self) -> None:
        """Begins to look for queued and abandoned runs."""
        self._claiming = in_background(self._claim_forever())

    def wake(self) -> None:
        """Looks for work now: there is some."""
        self._woken.set()

    def run_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        """Runs something small that outlives the call that asked for it."""
        self._own(self._errands, errand)

    async def drain(self, grace_seconds: float) -> None:
        """Begins nothing any more; waits for the runs, then gives those that are left back for others."""
        self._is_draining = True
        await self._stop_claiming()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        await self.stop()

    async def stop(self) -> None:
        """Gives every run back and ends every task."""
        self._is_draining = self.has_stopped = True
        await self._stop_claiming()
        for tasks in (self._tasks, self._errands):
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop_claiming(self) -> None:
        if self._claiming is not None:
            self._claiming.cancel()
            await asyncio.gather(self._claiming, return_exceptions=True)

    def _own(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        def done(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            RUNS_IN_FLIGHT.set(len(self._tasks))
            if self._wants_more:
                self._woken.set()

        task = asyncio.create_task(work)
        tasks.add(task)
        RUNS_IN_FLIGHT.set(len(self._tasks))
        task.add_done_callback(done)
        return task

    async def _begin(self, execution: Execution, run: NewRun, answer_within: float | None) -> None:
        bind_contextvars(run_id=run.run_id)
        try:
            answer = await self._ledger.create(run, execution.events.publish, answer_within=answer_within)
        except BaseException as error:
            # A caller that is gone leaves nobody to be told.
            outcome = ShuttingDown() if isinstance(error, asyncio.CancelledError) else error
            execution.begun.set_exception(outcome)
            execution.begun.exception()
            if isinstance(error, Exception):
                return
            raise
        if not isinstance(answer, Begun):
            execution.begun.set_result(answer)
            return
        execution.begun.set_result(None)
        _log.info("run_begun")
        try:
            await self._conduct(answer.ledger, ReviewRun.begun(self._steps, run, answer))
        finally:
            execution.events.stop()

    async def _go_on(self, granted: Granted) -> None:
        bind_contextvars(run_id=granted.run.run_id)
        bind_request_id(granted.run.scope.request_id)
        try:
            attached = await self._ledger.attach(granted)
            _log.info("run_attached", last_sequence=attached.recorded.run.last_sequence)
            await self._conduct(attached.ledger, ReviewRun.attached(self._steps, attached))
        except ConsensusError as error:
            _log.warning("run_not_attached", reason=error.reason_name)

    async def _conduct(self, ledger: RunLedger, run: ReviewRun) -> None:
        """Works on a run until it ends, is lost, or is given back because this process stops."""
        work = asyncio.create_task(run.finish())
        try:
            ends: tuple[asyncio.Future[Any], ...] = (work, ledger.lost)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            work.cancel()
            (outcome,) = await asyncio.gather(work, return_exceptions=True)
            if isinstance(outcome, Exception) and not isinstance(outcome, RecordingEnded):
                _log.error("run_not_ended", trace=fault_trace(outcome))
            if ledger.lost.done():
                reason = ledger.lost.result().reason_name
                RUNS_LEFT.labels(reason).inc()
                _log.warning("run_left", reason=reason)
            await ledger.close()
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await ledger.release()
            RUNS_LEFT.labels(GIVEN_BACK).inc()
            _log.info("run_given_back")
            raise
        finally:
            await ledger.abandon()

    async def _claim_forever(self) -> None:
        while True:
            self._woken.clear()
            room = min(self._pace.room(len(self._granted)), self._max_runs - len(self._tasks), _MAX_CLAIM)
            CLAIM_LIMIT.set(self._pace.limit)
            granted = await self._claim(room) if room > 0 else 0
            self._wants_more = room <= 0 or granted == room
            if granted == _MAX_CLAIM:
                continue
            pause = self._claim_interval_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, no secret
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _claim(self, room: int) -> int:
        try:
            claimed = await self._ledger.claim(room)
        except ConsensusError as error:
            _log.warning("claim_failed", reason=error.reason_name)
            return 0
        for run in claimed:
            task = self._own(self._tasks, self._go_on(run))
            self._granted.add(task)
            task.add_done_callback(self._granted.discard)
        return len(claimed)
