# Made by `make sync` from consensus_client/_async/service_client.py; never edited.
"""What the synchronous clients of all services are."""

from abc import ABC, abstractmethod
from typing import Self

from consensus_client._sync.connection import SyncConnection
from consensus_client.options import DEFAULT_PERSISTENCE, ClientOptions
from consensus_client.sync_transport import Channel, Sleep


class SyncServiceClient(ABC):
    """A connection that is used as `with`, or closed. `target` is the persistence service."""

    def __init__(
        self,
        target: str = DEFAULT_PERSISTENCE,
        options: ClientOptions | None = None,
        *,
        channel: Channel | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        self._connection = SyncConnection(target, options, channel, sleep)
        self._attach(self._connection.channel)

    @abstractmethod
    def _attach(self, channel: Channel) -> None:
        """Makes the service's stub."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls and closes the channel; runs go on."""
        self._connection.close()
