"""A provider that answers with the bytes it is told to, whether or not they are HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from review_service.model.client import ModelClient, ModelOptions
from tests.support.loopback import listening

KEY = "sk-offline-0123456789"


@asynccontextmanager
async def serving(raw: bytes, asked: list[str] | None = None) -> AsyncIterator[int]:
    """A server that answers every request with these bytes and closes; notes their first lines."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(head.split(b"\r\n")[0].decode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        try:
            writer.write(raw)
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked has taken enough of it

    async with listening(answer) as port:
        yield port


@asynccontextmanager
async def answering(raw: bytes, *, max_answer_bytes: int = 4_194_304) -> AsyncIterator[ModelClient]:
    """A client of such a server."""
    async with serving(raw) as port:
        base_url = f"http://127.0.0.1:{port}/v1"
        model = ModelClient(ModelOptions(api_key=KEY, base_url=base_url, max_answer_bytes=max_answer_bytes))
        yield model
        await model.aclose()


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An answer whole, its connection closed after it."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def envelope(*texts: str, **fields: object) -> dict[str, object]:
    """An answer of the Responses API with one message of these texts; `fields` replace others."""
    parts = [{"type": "output_text", "text": text} for text in texts or ("{}",)]
    return {"id": "r", "output": [{"type": "message", "content": parts}], **fields}


def message(**fields: object) -> bytes:
    """The same over HTTP."""
    return http(json.dumps(envelope(**fields)).encode(), "Content-Type: application/json")


@asynccontextmanager
async def pouring(head: str, piece: bytes, most_bytes: int) -> AsyncIterator[tuple[ModelClient, list[int]]]:
    """A client of a server that sends pieces until nobody takes them, at most so much; what went out."""
    sent: list[int] = []

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {most_bytes}\r\n\r\n".encode())
        try:
            while sum(sent) < most_bytes:
                writer.write(piece)
                await writer.drain()
                sent.append(len(piece))
        except ConnectionError:
            pass  # whoever asked has taken enough of it

    async with listening(pour) as port:
        model = ModelClient(ModelOptions(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1"))
        yield model, sent
        await model.aclose()
