"""Whatever a receiver does, a call to it ends in time, and goes nowhere else."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from consensus_contract.webhooks import new_secret, secrets_of
from persistence_service.webhooks.receiver import Answer, Receiver
from tests.support.loopback import listening
from tests.support.raw_provider import http
from tests.support.tls import Pki
from tests.support.webhooks import HANGS, SECRET, WebhookReceiver, status

PATIENCE = 60.0


@asynccontextmanager
async def calling(
    url: str, secret: str = SECRET, timeout_seconds: float = PATIENCE
) -> AsyncIterator[Receiver]:
    caller = Receiver(url, secrets_of(secret), timeout_seconds=timeout_seconds, max_connections=2)
    try:
        yield caller
    finally:
        await caller.close()


async def told(answer: bytes, timeout_seconds: float = PATIENCE) -> Answer:
    async with (
        WebhookReceiver([answer]).serving() as receiver,
        calling(receiver.url, timeout_seconds=timeout_seconds) as caller,
    ):
        return await caller.send("id", b"{}")


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (200, Answer()),
        (204, Answer()),
        (302, Answer("status 302")),
        (400, Answer("status 400")),
        (410, Answer("status 410", is_final=True)),
        (500, Answer("status 500")),
    ],
)
async def test_a_status_says_whether_it_was_taken(code: int, answer: Answer) -> None:
    assert await told(status(code, "Location: http://127.0.0.1:9/elsewhere")) == answer


@pytest.mark.parametrize("answer", [b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000])
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    assert (await told(answer)).failure in {"BadHttpMessage", "ClientResponseError", "LineTooLong"}


async def test_one_that_hangs_is_left_when_the_time_is_over() -> None:
    assert await told(HANGS, timeout_seconds=0.2) == Answer("TimeoutError")


async def test_one_that_is_not_there_is_a_failure() -> None:
    async with listening(lambda _reader, _writer: asyncio.sleep(0)) as port:
        pass
    async with calling(f"http://127.0.0.1:{port}/") as caller:
        assert (await caller.send("id", b"{}")).failure == "ClientConnectorError"


async def test_one_that_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    told: list[bytes] = []

    async def listen_in(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read())

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate = Pki(tmp_path).server()
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    async with listening(listen_in, tls=tls) as port, calling(f"https://localhost:{port}/") as caller:
        answer = await caller.send("id", b"{}")
    assert answer.failure == "ClientConnectorCertificateError"
    assert told == []


async def test_a_body_without_end_is_not_read() -> None:
    written = 0
    closed = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
                written += 0x10000
        except ConnectionError:
            closed.set()

    async with listening(flood) as port, calling(f"http://127.0.0.1:{port}/") as caller:
        assert await caller.send("id", b"{}") == Answer()
        await asyncio.wait_for(closed.wait(), PATIENCE)
    assert written < 64_000_000


async def test_each_of_several_secrets_signs() -> None:
    newer = new_secret()
    async with (
        WebhookReceiver([http(b"{}")]).serving() as receiver,
        calling(receiver.url, f"{newer}\n{SECRET}") as caller,
    ):
        await caller.send("id", b'{"a":1}')
    (sent,) = receiver.sent
    assert sent.verified(SECRET) == sent.verified(newer) == {"a": 1}
