"""An asynchronous connection to one service: its channel, and trying again on a passing failure."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from consensus_client.async_transport import (
    AsyncMethod,
    AsyncStream,
    Channel,
    Sleep,
    next_message,
    open_channel,
    sleep,
)
from consensus_client.cursors import Cursor
from consensus_client.options import ClientOptions
from consensus_client.reconnecting import Reconnection, say_where
from consensus_client.requests import ListPage
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import CallOptions, call_options
from consensus_rpc.channel.status import contract_errors

Request = TypeVar("Request")
Response = TypeVar("Response")
Message = TypeVar("Message")
Item = TypeVar("Item")
Page = TypeVar("Page", bound=ListPage)
Opening = Callable[[CallOptions], AsyncStream[Message]]
"""Begins a call that answers with a stream."""


class AsyncConnection:
    """What the clients of one service share; connects when first used."""

    def __init__(
        self, target: str, options: ClientOptions | None, channel: Channel | None, wait: Sleep | None
    ) -> None:
        """A `channel` of the caller's own is closed with the connection too."""
        self.target = target
        self.options = options or ClientOptions()
        self._bearer = self.options.bearer_to(target)
        self.channel = channel or open_channel(target, self.options.channel_options())
        self._wait = wait or sleep

    async def close(self) -> None:
        """Ends all calls and closes the channel; runs go on."""
        await self.channel.close()

    async def call(self, method: AsyncMethod[Request, Response], request: Request) -> Response:
        """Calls, and calls again on a passing failure: reads have no effect, changes have a key."""
        reconnection = Reconnection(self.options.reconnect)
        deadline = time.monotonic() + self.options.call_seconds
        while True:
            try:
                return await self.call_once(method, request, deadline - time.monotonic())
            except ConsensusError as error:
                delay = reconnection.wait_seconds(error)
            await self._wait(delay)

    async def call_once(
        self, method: AsyncMethod[Request, Response], request: Request, seconds: float
    ) -> Response:
        """Calls, for what must not be sent twice."""
        try:
            with contract_errors():
                return await method(request, **call_options(seconds, bearer=self._bearer))
        except ConsensusError as error:
            say_where(error, self.target, {})
            raise

    async def read(self, opening: Opening[Message]) -> AsyncGenerator[Message]:
        """Yields what one stream brings: for what no other stream could go on with."""
        call = opening(call_options(bearer=self._bearer))
        try:
            while (message := await next_message(call, None)) is not None:
                yield message
        except ConsensusError as error:
            say_where(error, self.target, {})
            raise
        finally:
            call.cancel()

    async def follow(
        self,
        cursor: Cursor[Message, Item],
        opening: Opening[Message],
        *,
        idle_seconds: float | None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Item]:
        """Yields what the cursor takes, over any number of cut streams, each opened where it stands.

        `timeout` (seconds) bounds it all.

        Raises:
            ConsensusError: what no other stream can help with, or when none comes through for too long.
        """
        reconnection = Reconnection(self.options.reconnect)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                left = None if deadline is None else deadline - time.monotonic()
                call = opening(call_options(left, bearer=self._bearer))
                try:
                    while (message := await next_message(call, idle_seconds)) is not None:
                        reconnection.still_alive()
                        for item in cursor.take(message):
                            reconnection.progressed()
                            yield item
                    cursor.check_end()
                    return
                finally:
                    call.cancel()
            except ConsensusError as error:
                say_where(error, self.target, cursor.followed)
                delay = reconnection.wait_seconds(error)
            await self._wait(delay)


async def each_page(ask: Callable[[str], Awaitable[Page]]) -> AsyncIterator[Page]:
    """All pages of a list; `ask` takes the token of the one that is wanted."""
    token = ""
    while True:
        page = await ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return
