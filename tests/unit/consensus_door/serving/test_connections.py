"""Connections are bounded in number, and end where nobody reads; TLS is 1.3."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

from consensus_door.config import DoorSettings
from consensus_door.metrics import DoorMetrics
from consensus_door.serving import server as serving
from consensus_rpc.security import watched
from consensus_rpc.server.listener import CannotListenError
from tests.support.tls import Pki

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Endless:
    """Says more than anybody reads, until its caller is gone."""

    def __init__(self) -> None:
        self.has_ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        leaving = asyncio.ensure_future(receive())
        while not leaving.done():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            await asyncio.sleep(0)
        self.has_ended.set()


@contextlib.asynccontextmanager
async def serving_at(app: ASGIApp, **settings: object) -> AsyncIterator[int]:
    """The port of a server with these settings."""
    read = DoorSettings.load(_env_file=None, **settings)
    metrics = DoorMetrics(CollectorRegistry())
    server = serving.DoorServer(serving._config(app, read, serving._certificate(read), metrics))
    listener = serving._listen("127.0.0.1:0")
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


def listening(certificate: Path) -> dict[str, Path]:
    """The settings of a door that shows it."""
    return {
        "door_listen_certificate_file": certificate,
        "door_listen_key_file": certificate.with_suffix(".key"),
    }


async def test_one_connection_too_many_is_closed_and_the_others_are_served() -> None:
    async with serving_at(empty, door_max_connections=2) as port:
        held = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
            held.append(writer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        held.append(writer)
        writer.write(GET)
        said = b""
        with contextlib.suppress(ConnectionError):
            said = await reader.readline()
        assert said == b""
        for writer in held:
            writer.close()


async def test_headers_that_never_end_are_not_waited_for_however_they_trickle() -> None:
    async with serving_at(empty, door_request_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ending = asyncio.ensure_future(reader.read())
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        while not ending.done():
            writer.write(b"X: 1\r\n")
            await asyncio.wait({ending}, timeout=0.05)
        writer.close()
        if ending.exception() is None:
            assert ending.result() == b""


async def test_a_reader_that_takes_nothing_is_let_go() -> None:
    app = Endless()
    async with serving_at(app, slow_consumer_seconds=0.1) as port:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(GET)
        await asyncio.wait_for(app.has_ended.wait(), 30)
        writer.close()


async def test_a_certificate_that_was_replaced_is_shown_to_who_comes_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "_LOOK_SECONDS", 0.0)
    pki = Pki(tmp_path)
    certificate = pki.server()
    context = ssl.create_default_context(cafile=pki.trusted)

    async def shown(port: int) -> bytes:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.close()
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found

    async with serving_at(empty, **listening(certificate)) as port:
        first = await shown(port)
        pki.server()  # in the place of the first
        second = await shown(port)
        certificate.write_bytes(b"broken")
        assert await shown(port) == second
    assert first != second


def test_without_its_certificate_it_does_not_start_and_says_why(tmp_path: Path) -> None:
    settings = DoorSettings.load(_env_file=None, **listening(tmp_path / "none.pem"))
    with pytest.raises(CannotListenError, match="cannot read the certificate"):
        serving._certificate(settings)


async def test_over_tls_nothing_older_than_1_3_is_spoken(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    certificate = pki.server()
    async with serving_at(empty, **listening(certificate)) as port:
        context = ssl.create_default_context(cafile=pki.trusted)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
        writer.close()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)
