"""Words that may not get out, where they are looked for, and a provider that repeats what it was sent."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import sqlalchemy

from persistence_service.database import normalise_url
from tests.support.hostile_provider import Answer
from tests.support.postgres import showing_all
from tests.support.raw_provider import http

IDEA = "canary-idea-4b8d1c"
PROMPT = "canary-prompt-93fe07"
"""Stands in a persona's instructions."""
PASSWORD = "canary-password-1d77a2"
PROVIDER_KEY = "sk-offline-canary-0f4be2c9d1"
GUESS = "canaryGuess" + "A" * 32
"""The secret of a key that never was."""
HOOK = "canary-hook-7ac31e"
"""A part of an address that only its receiver knows."""
HOOK_SECRET = base64.b64encode(b"canary-hook-secret-5e20b8").decode()
CONTENT: Mapping[str, str] = {"idea": IDEA, "prompt": PROMPT}

_SILENCE_SECONDS = 6.0
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def found(texts: Mapping[str, bytes | str], canaries: Mapping[str, str]) -> list[str]:
    """Which canary stands where; never the canary itself."""
    return [
        f"{name} stands in {place}"
        for place, said in texts.items()
        for name, canary in canaries.items()
        if (canary.encode() in said if isinstance(said, bytes) else canary in said)
    ]


def repeating(status: str, key: str) -> Answer:
    """An answer that repeats the key and all that was asked, as messages, as names, and as the answer."""

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        asked = body.decode()
        error = {
            "message": f"Incorrect API key provided: {key}. {asked}",
            "code": key,
            "type": "server_error",
        }
        said = {"id": key, "model": key, "error": error, "output": [{"type": key, "content": asked}]}
        writer.write(http(json.dumps(said).encode(), f"x-request-id: {key}", status=status))

    return answer


async def no_answer(_body: bytes, _writer: asyncio.StreamWriter) -> None:
    """Nothing, for longer than anybody waits."""
    await asyncio.sleep(_SILENCE_SECONDS)


async def no_http(body: bytes, writer: asyncio.StreamWriter) -> None:
    """What was asked, and no HTTP around it."""
    writer.write(body + b"\r\n\r\n")


@dataclass(slots=True)
class Heard:
    """What reached callers and collectors: errors with their trailers, answers, traces."""

    errors: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    traces: list[bytes] = field(default_factory=list)

    async def say(
        self, channel: grpc.aio.Channel, path: str, request: bytes, metadata: Any = (), timeout: float = 40
    ) -> str:
        """A call, of whatever kind it is; the name of its status."""
        ask: Any = channel.unary_stream(path)
        call = ask(request, metadata=metadata, timeout=timeout)
        try:
            self.answers += [each async for each in call]
        except grpc.aio.AioRpcError as error:
            trailers = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
            said = [f"{error.details()} {error.debug_error_string()}".encode()]
            said += [value if isinstance(value, bytes) else value.encode() for _, value in trailers]
            self.errors.append(b"\n".join(said))
            return error.code().name
        return "OK"


@asynccontextmanager
async def collector(heard: Heard) -> AsyncIterator[str]:
    """A collector of traces on the loopback, where its address is; it keeps what it is sent as it came."""

    async def export(request: bytes, _: Any) -> bytes:
        heard.traces.append(request)
        return b""

    server = grpc.aio.server()
    service, _, method = _EXPORT[1:].partition("/")
    handlers: dict[str, Any] = {method: grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


def rows(database_url: str) -> dict[str, bytes]:
    """Every row of every table and view of a PostgreSQL database: as text, then its bytes as they are."""
    engine = sqlalchemy.create_engine(normalise_url(showing_all(database_url)), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        there = sqlalchemy.inspect(connection)
        return {
            name: _plain(connection.execute(sqlalchemy.text(f'SELECT t::text FROM "{name}" t')).scalars())
            for name in (*there.get_table_names(), *there.get_view_names())
        }


def _plain(lines: Iterable[str]) -> bytes:
    text = "\n".join(lines)
    raw = (bytes.fromhex(each) for each in re.findall(r"\\x((?:[0-9a-f]{2})+)", text))
    return b"\n".join([text.encode(), *raw])


def change(database_url: str, *statements: str) -> None:
    """Changes a database behind the services' back."""
    engine = sqlalchemy.create_engine(normalise_url(showing_all(database_url)), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for each in statements:
            connection.execute(sqlalchemy.text(each))
