"""A name server for one name, whose address a test changes."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

_ANSWER = 0x8180  # a response, with recursion, no error
_A_RECORD = 1
_HEADER_BYTES = 12


class NameServer(asyncio.DatagramProtocol):
    """Answers every question for an A record with `address`; `question_count` counts them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.question_count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        end = data.index(b"\0", _HEADER_BYTES) + 5  # the name, its type and its class
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        records = b""
        if kind == _A_RECORD:
            self.question_count += 1
            packed = ipaddress.IPv4Address(self.address).packed
            # The name is the one at byte 12; class IN; one second to live; four bytes.
            records = struct.pack("!HHHIH", 0xC000 | _HEADER_BYTES, _A_RECORD, 1, 1, 4) + packed
        header = data[:2] + struct.pack("!HHHHH", _ANSWER, 1, 1 if records else 0, 0, 0)
        self._transport.sendto(header + data[_HEADER_BYTES:end] + records, addr)


@asynccontextmanager
async def name_server(address: str) -> AsyncIterator[tuple[NameServer, str]]:
    """One on a free port of the loopback, and where it listens."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(address), local_addr=("127.0.0.1", 0)
    )
    host, port = transport.get_extra_info("sockname")
    try:
        yield server, f"{host}:{port}"
    finally:
        transport.close()
