"""The right to work on a run, by this process's monotonic clock."""

import asyncio

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.spans import seconds
from consensus_rpc.backoff import Clock


class Lease:
    """A lease, once granted: its token, when it ends at the latest, and a wake-up for those who wait for it.

    The database's clock rules. The answer that grants was made after the request was sent, so that counting
    from the sending never believes a lease longer than it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._granted: asyncio.Event | None = None  # made when somebody waits, which is seldom
        self.token = 0
        self.ends_at = 0.0
        self.length_seconds = 0.0

    def granted(self, lease: persistence_service_pb2.Lease, sent_at: float) -> None:
        """Takes a grant or renewal whose request was sent at `sent_at`."""
        self.token = lease.fencing_token
        self.length_seconds = seconds(lease.remaining)
        self.ends_at = sent_at + self.length_seconds
        if self._granted is not None:
            self._granted.set()
            self._granted = None

    @property
    def renewal_seconds(self) -> float:
        """How often it is renewed: at a third."""
        return self.length_seconds / 3

    def has_ended(self) -> bool:
        """Whether it may have ended; another process may have the run since."""
        return self._clock() >= self.ends_at

    async def wait_held(self) -> None:
        """Waits until it is held: at once while it lasts, else until it is granted anew."""
        while self.has_ended():
            self._granted = self._granted or asyncio.Event()
            await self._granted.wait()
