"""How time passes for a step."""

import random
import time
from asyncio import sleep as asyncio_sleep
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from consensus_rpc.backoff import Chance, Clock


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock, sleep and chance, so that tests need not wait."""

    clock: Clock = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio_sleep
    chance: Chance = random.random
