"""Several connections to one address as one channel: each reaches one of the processes that share a port."""

import itertools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc


class SpreadChannel(grpc.aio.Channel):
    """Channels that calls use in turn; a stream stays on the one on which it began."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        """Each must have a connection of its own, and all lead to the same service."""
        self._channels = channels

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        return _in_turn([each.unary_unary(*arguments, **options) for each in self._channels])

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        return _in_turn([each.unary_stream(*arguments, **options) for each in self._channels])

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        return _in_turn([each.stream_unary(*arguments, **options) for each in self._channels])

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        return _in_turn([each.stream_stream(*arguments, **options) for each in self._channels])

    async def close(self, grace: float | None = None) -> None:
        for each in self._channels:
            await each.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the first."""
        return self._channels[0].get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits for a change of the first."""
        await self._channels[0].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        for each in self._channels:
            await each.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _in_turn(methods: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    turns = itertools.cycle(methods)
    return lambda *arguments, **options: next(turns)(*arguments, **options)
