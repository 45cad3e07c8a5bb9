"""HTTP/2 by hand: what no gRPC library would send, over a plain socket."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
_TABLE_AFTER_STATIC = 62


def literal(name: str, value: str, *, remember: bool = False) -> bytes:
    """A header in HPACK, spelt out; `remember` puts it into the peer's table."""
    return (b"\x40" if remember else b"\x00") + _text(name) + _text(value)


def remembered(number: int = 0) -> bytes:
    """A header from the peer's table, 0 the newest: one byte that stands for all of it."""
    return bytes([0x80 | (_TABLE_AFTER_STATIC + number)])


def request_headers(path: str) -> bytes:
    """The headers of a call."""
    pairs = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    return b"".join(literal(*pair) for pair in pairs)


def message(raw: bytes, *, is_compressed: bool = False) -> bytes:
    """A message as gRPC frames it."""
    return struct.pack(">BI", is_compressed, len(raw)) + raw


def _text(text: str) -> bytes:
    raw = text.encode()
    return _integer(len(raw), 7) + raw


def _integer(number: int, prefix_bits: int) -> bytes:
    largest = (1 << prefix_bits) - 1
    if number < largest:
        return bytes([number])
    number -= largest
    out = [largest]
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@dataclass
class RawConnection:
    """One connection; what the server sends is kept by stream, as frames."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    acknowledges: bool = True
    frames: dict[int, list[tuple[int, int, bytes]]] = field(default_factory=dict)
    settings: dict[int, int] = field(default_factory=dict)
    is_closed: bool = False

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        """Sends a frame; `drain` waits until the socket has taken it."""
        self.writer.write(
            len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
        )

    def begin(self, stream: int, path: str, extra: Iterable[bytes] = ()) -> None:
        """Sends a call's headers, and nothing after them."""
        self.send(HEADERS, END_HEADERS, stream, request_headers(path) + b"".join(extra))

    async def drain(self) -> None:
        """Waits until the socket has taken what was sent."""
        await self.writer.drain()

    async def read(self) -> None:
        """Takes what the server sends until it closes the connection."""
        try:
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                self.frames.setdefault(stream, []).append((kind, flags, payload))
                if kind == SETTINGS and not flags & ACK:
                    self._note(payload)
                    if self.acknowledges:
                        self.send(SETTINGS, ACK, 0)
                elif kind == PING and not flags & ACK:
                    self.send(PING, ACK, 0, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.is_closed = True

    def _note(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            self.settings[int.from_bytes(payload[at : at + 2], "big")] = int.from_bytes(
                payload[at + 2 : at + 6], "big"
            )

    def ended(self, stream: int) -> bool:
        """Whether the server has ended a stream, by trailers or by a reset."""
        return any(
            kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM)
            for kind, flags, _ in self.frames.get(stream, ())
        )


@asynccontextmanager
async def raw_connection(
    address: str, settings: Iterable[tuple[int, int]] = (), *, acknowledges: bool = True
) -> AsyncIterator[RawConnection]:
    """A connection to `host:port`; the server's limits bind only who acknowledges its settings."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    connection = RawConnection(reader, writer, acknowledges)
    writer.write(PREFACE)
    connection.send(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *each) for each in settings))
    reading = asyncio.create_task(connection.read())
    try:
        yield connection
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.close()
