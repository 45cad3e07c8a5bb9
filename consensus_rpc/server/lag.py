"""By how much the event loop is late: whatever holds it holds every call."""

import asyncio

from consensus_rpc.telemetry.metrics import Counts

_EVERY_SECONDS = 0.25


class EventLoopLag:
    """A timer that notes how late it was."""

    def __init__(self, counts: Counts) -> None:
        self._lag = counts.loop_lag
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Samples from now on, four times a second."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_EVERY_SECONDS, self._sample, loop.time() + _EVERY_SECONDS)

    def stop(self) -> None:
        """Samples no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sample(self, due: float) -> None:
        self._lag.observe(max(0.0, asyncio.get_running_loop().time() - due))
        self.start()
