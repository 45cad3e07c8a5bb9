"""What the asynchronous clients of all services are."""

from abc import ABC, abstractmethod
from typing import Self

from consensus_client._async.connection import AsyncConnection
from consensus_client.async_transport import Channel, Sleep
from consensus_client.options import DEFAULT_PERSISTENCE, ClientOptions


class AsyncServiceClient(ABC):
    """A connection that is used as `async with`, or closed. `target` is the persistence service."""

    def __init__(
        self,
        target: str = DEFAULT_PERSISTENCE,
        options: ClientOptions | None = None,
        *,
        channel: Channel | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        self._connection = AsyncConnection(target, options, channel, sleep)
        self._attach(self._connection.channel)

    @abstractmethod
    def _attach(self, channel: Channel) -> None:
        """Makes the service's stub."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls and closes the channel; runs go on."""
        await self._connection.close()
