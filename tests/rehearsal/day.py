"""What happens on the day: a slow model, a failing one, kills, a failover, a release, a rush."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from offline_model.script import Rule
from tests.faults.chaos import terminate_connections
from tests.faults.stack import Stack
from tests.faults.standby import Servers
from tests.rehearsal.traffic import Traffic
from tests.support.processes import Process

SLOW_HOURS = (6.0, 8.0)
FAILING_HOURS = (8.0, 10.0)
# Ideas of these hours say so, which is what the model's rules go by.
SLOW, FAILING = "of a slow hour", "of a failing hour"
_MODEL_SECONDS = 0.5
_SLOW_SECONDS = 4.0
_DOWN_SECONDS = 1.0
_RUSH = 10.0
_RUSH_SECONDS = 10.0

MODEL = (
    Rule(contains=SLOW, delay_seconds=_SLOW_SECONDS),
    Rule(contains=FAILING, persona="critic", attempt=1, status=500),
    Rule(contains=FAILING, persona="optimist", attempt=1, status=429, headers={"Retry-After": "1"}),
    Rule(contains=FAILING, persona="architect", attempt=1, malformed="not_json"),
    Rule(contains=FAILING, persona="user_advocate", attempt=1, cut_off="reset"),
    Rule(delay_seconds=_MODEL_SECONDS),
)
Happening = Callable[[], Awaitable[None]]


def word_of(hour: float) -> str:
    """What an idea of this hour says of it."""
    if SLOW_HOURS[0] <= hour < SLOW_HOURS[1]:
        return SLOW
    return FAILING if FAILING_HOURS[0] <= hour < FAILING_HOURS[1] else ""


@dataclass(slots=True)
class Day:
    """The day's happenings, by the hour."""

    stack: Stack
    servers: Servers
    traffic: Traffic
    done: list[str] = field(default_factory=list)
    """What happened, and when it was over."""
    _silent: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def happenings(self) -> Sequence[tuple[float, str, Happening]]:
        """Hour, what it is, and how it is done. What the model does goes by `word_of`."""
        stack = self.stack
        return (
            (2, "a review process killed", lambda: self._kill(stack.reviews[0])),
            (4, "a persistence process killed", lambda: self._kill(stack.persistences[0])),
            (6, f"the model takes {_SLOW_SECONDS:g} s, until 8", self._look_on),
            (8, "four of five first answers fail, each otherwise, until 10", self._look_on),
            (11, "every connection to the database ended", self._cut_connections),
            (12, "the primary killed, its standby promoted two seconds later", self._fail_over),
            (14, "both services replaced, process by process", self._release),
            (17, "all processes of both services killed at once", self._kill_all),
            (20, f"{_RUSH:g} times the load for {_RUSH_SECONDS:g} s", self._rush),
        )

    async def go(self) -> None:
        """Lets each happen at its hour; the dead primary's address stays silent until `close`."""
        for hour, what, happening in self.happenings:
            await asyncio.sleep(self.traffic.seconds_until(hour))
            await happening()
            self.done.append(f"{hour:g} to {self.traffic.hour:.1f}: {what}")

    async def close(self) -> None:
        await self._silent.aclose()

    async def _look_on(self) -> None:
        pass

    async def _kill(self, *processes: Process) -> None:
        for process in processes:
            await asyncio.to_thread(process.kill)
        await asyncio.sleep(_DOWN_SECONDS)
        await asyncio.to_thread(self.stack.restart, *processes)

    async def _kill_all(self) -> None:
        await self._kill(*self.stack.reviews, *self.stack.persistences)

    async def _cut_connections(self) -> None:
        await asyncio.to_thread(terminate_connections, self.stack.database_url)

    async def _fail_over(self) -> None:
        await self._silent.enter_async_context(self.servers.promoted(self.stack))

    async def _release(self) -> None:
        for process in (*self.stack.persistences, *self.stack.reviews):
            await asyncio.to_thread(process.stop)  # one signal: a second would cut the drain short
            await asyncio.to_thread(self.stack.restart, process)
            await asyncio.to_thread(self.stack.wait_serving)

    async def _rush(self) -> None:
        self.traffic.burst = _RUSH
        await asyncio.sleep(_RUSH_SECONDS)
        self.traffic.burst = 1.0
