"""Callers of a day: they come when they come, whether the services are ready for them or not."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from tests.faults.case import Case

# At night a fifth of the mean, at noon nearly twice: about what services for people in one country see.
_SWING = 0.8
_START_SECONDS = 30.0
_AGAIN_SECONDS = 0.2
_PUSHBACK = "grpc-retry-pushback-ms"


@dataclass(frozen=True, slots=True)
class Finished:
    """A review as its caller saw it; `hour` is that of the compressed day in which the caller came."""

    hour: float
    seconds: float
    """From the caller's coming to the run's end, whatever had to be sent again."""
    kind: str


def rate_at(hour: float, per_second: float) -> float:
    """Arrivals a second at an hour of the day, with `per_second` as the day's mean."""
    return per_second * (1 - _SWING * math.cos(2 * math.pi * hour / 24))


@dataclass(slots=True)
class Traffic:
    """An open loop: arrivals of a Poisson process whose rate follows the hour.

    A caller keeps its key until its run has ended, comes again when it is told to, and asks anybody.
    """

    case: Case
    random: random.Random
    per_second: float
    seconds: float
    """How long the day lasts here."""
    word_of: Callable[[float], str]
    """What an idea of an hour has in it."""
    burst: float = 1.0
    """What the rate is multiplied by at this moment."""
    finished: list[Finished] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Calls that failed and were made again, by code."""
    arrived: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def hour(self) -> float:
        """Of the compressed day, now."""
        return (time.monotonic() - self.began) / self.seconds * 24

    def seconds_until(self, hour: float) -> float:
        """How long it is until that hour; 0 when it has passed."""
        return max(0.0, (hour - self.hour) / 24 * self.seconds)

    @property
    def open(self) -> int:
        """Callers who have come and wait for their decision."""
        return self.arrived - len(self.finished)

    async def go(self) -> None:
        """The whole day, until the last caller has an answer."""
        due = self.began = time.monotonic()
        async with asyncio.TaskGroup() as callers:
            while (hour := self.hour) < 24:
                due += self.random.expovariate(rate_at(hour, self.per_second) * self.burst)
                await asyncio.sleep(due - time.monotonic())
                self.arrived += 1
                callers.create_task(self._review(self.arrived, due))

    async def _review(self, number: int, came: float) -> None:
        hour = (came - self.began) / self.seconds * 24
        run_id = await self._begun(f"{self.case.mark}-{number}", f"{self.case.idea} {self.word_of(hour)}")
        end = (await self.case.finish(run_id))[-1]
        kind = str(end.WhichOneof("payload"))
        self.finished.append(Finished(hour, time.monotonic() - came, kind))

    async def _begun(self, key: str, idea: str) -> str:
        while True:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    review = self.random.choice(self.case.stack.reviews)
                    return await self.case.start(review, key=key, idea=idea)
            except grpc.aio.AioRpcError as error:
                self.refused[error.code().name] += 1
                await asyncio.sleep(_pause(error) * self.random.uniform(1, 1.5))
            except TimeoutError:
                self.refused["no answer"] += 1


def _pause(error: grpc.aio.AioRpcError) -> float:
    """How long a refused caller waits: as long as it is told to, in seconds."""
    told = dict(error.trailing_metadata() or ()).get(_PUSHBACK)
    return int(told) / 1000 if told else _AGAIN_SECONDS
