"""The fault proxy does to a connection what the fault suite says it does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support.fault_proxy import FaultProxy
from tests.support.loopback import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PATIENCE_SECONDS = 5.0
_SILENCE_SECONDS = 0.2


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1024):
            writer.write(chunk)
            await writer.drain()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    async with listening(_echo) as port, FaultProxy.start(f"127.0.0.1:{port}") as proxy:
        yield proxy


async def _connect(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = proxy.address.rsplit(":", 1)
    return await asyncio.open_connection(host, int(port))


async def _say(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)
    await writer.drain()


async def test_passes_bytes_both_ways(proxy: FaultProxy) -> None:
    reader, writer = await _connect(proxy)
    await _say(writer, b"hello")
    assert await asyncio.wait_for(reader.readexactly(5), _PATIENCE_SECONDS) == b"hello"
    writer.close()


async def test_black_hole_forwards_nothing_until_healed(proxy: FaultProxy) -> None:
    reader, writer = await _connect(proxy)
    proxy.black_hole()
    await _say(writer, b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(5), _SILENCE_SECONDS)
    proxy.heal()
    assert await asyncio.wait_for(reader.readexactly(5), _PATIENCE_SECONDS) == b"hello"
    writer.close()


async def test_dropped_replies_are_lost_for_good(proxy: FaultProxy) -> None:
    reader, writer = await _connect(proxy)
    proxy.drop_replies()
    await _say(writer, b"lost!")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(5), _SILENCE_SECONDS)
    proxy.heal()
    await _say(writer, b"found")
    assert await asyncio.wait_for(reader.readexactly(5), _PATIENCE_SECONDS) == b"found"
    writer.close()


async def test_reset_cuts_open_connections_and_serves_new_ones(proxy: FaultProxy) -> None:
    reader, writer = await _connect(proxy)
    await _say(writer, b"hello")
    await asyncio.wait_for(reader.readexactly(5), _PATIENCE_SECONDS)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.readexactly(1), _PATIENCE_SECONDS)
    await test_passes_bytes_both_ways(proxy)
    writer.close()


async def test_refuse_resets_new_connections(proxy: FaultProxy) -> None:
    proxy.refuse()
    reader, writer = await _connect(proxy)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), _PATIENCE_SECONDS)
    writer.close()
