"""A channel over TLS that uses new certificates once they are there, and leaves calls in flight alone."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from consensus_rpc.security.material import Material


class _Generation:
    """The channel of one set of certificates; closed once it is outdated and its last call has ended."""

    def __init__(self, material: Material, channel: grpc.aio.Channel) -> None:
        self.material = material
        self.channel = channel
        self.closing: asyncio.Task[None] | None = None
        self._calls = 0
        self._is_outdated = False

    def call(self, method: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        begun = method(*arguments, **options)
        self._calls += 1
        begun.add_done_callback(self._on_done)
        return begun

    def retire(self) -> None:
        self._is_outdated = True
        self._close_if_idle()

    def _on_done(self, _call: object) -> None:
        self._calls -= 1
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._is_outdated and not self._calls and self.closing is None:
            self.closing = asyncio.get_running_loop().create_task(self.channel.close())


class RenewingChannel(grpc.aio.Channel):
    """Calls go over connections with the certificates that the files hold now.

    gRPC's credentials stay what they were made of: a connection opened anew after a certificate was replaced
    would still show the old one. So there is a channel for each state of the files, used by what begins then.
    """

    def __init__(
        self, current: Callable[[], Material], open_one: Callable[[Material], grpc.aio.Channel]
    ) -> None:
        """`current` says what the files hold: the same object while nothing changes."""
        self._current = current
        self._open = open_one
        material = current()
        self._generation = _Generation(material, open_one(material))
        self._outdated: list[_Generation] = []

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        return self._method("unary_unary", arguments, options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        return self._method("unary_stream", arguments, options)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        return self._method("stream_unary", arguments, options)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        return self._method("stream_stream", arguments, options)

    async def close(self, grace: float | None = None) -> None:
        for each in (*self._outdated, self._generation):
            await each.channel.close(grace)
        closing = [each.closing for each in self._outdated if each.closing is not None]
        await asyncio.gather(*closing)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the newest."""
        return self._newest().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits for a change of the newest."""
        await self._newest().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._newest().channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _newest(self) -> _Generation:
        material = self._current()
        if material is not self._generation.material:
            self._outdated = [
                each for each in self._outdated if each.closing is None or not each.closing.done()
            ]
            self._outdated.append(self._generation)
            self._generation.retire()
            self._generation = _Generation(material, self._open(material))
        return self._generation

    def _method(self, kind: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Callable[..., Any]:
        """A method that is looked up once in each generation, at its first call there."""
        made: tuple[_Generation, Any] | None = None

        def call(*call_arguments: Any, **call_options: Any) -> Any:
            nonlocal made
            generation = self._newest()
            if made is None or made[0] is not generation:
                made = generation, getattr(generation.channel, kind)(*arguments, **options)
            return generation.call(made[1], call_arguments, call_options)

        return call
