"""What the door takes from nobody: names of others, too much, no HTTP, and what comes while it drains."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from offline_model.script import Rule
from tests.integration.door.conftest import Door, start_door
from tests.support.pair import Pair

JSON = {"content-type": "application/json"}
METRICS = "/v1/metrics"


async def test_a_host_that_is_not_ours(http: aiohttp.ClientSession) -> None:
    for host in ("rebound.example", "127.0.0.1.rebound.example", ""):
        async with http.get("/v1/health", headers={"host": host}) as answer:
            assert answer.status == 421
    async with http.get("/v1/health", headers={"host": "LOCALHOST:9"}) as answer:
        assert answer.status == 200


ORIGINS = {
    "elsewhere": ({"origin": "https://elsewhere.example"}, 403),
    "null": ({"origin": "null"}, 403),
    "another port": ({"origin": "http://127.0.0.1:1"}, 403),
    "embedded elsewhere": ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    "a link from elsewhere": ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    "an allowed page": ({"origin": "https://pages.example"}, 200),
}


@pytest.mark.parametrize(("headers", "status"), ORIGINS.values(), ids=ORIGINS)
async def test_where_a_browsers_page_is_from(
    http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with http.get("/v1/health", headers=headers) as answer:
        assert answer.status == status
        allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == ("https://pages.example" if headers.get("origin") == "https://pages.example" else None)


async def test_the_doors_own_page_may_call_and_an_allowed_one_is_told_so(
    door: Door, http: aiohttp.ClientSession
) -> None:
    async with http.get("/v1/health", headers={"origin": door.url}) as answer:
        assert answer.status == 200
    asked = {
        "origin": "https://pages.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, authorization, x-anything",
    }
    async with http.options(METRICS, headers=asked) as answer:
        assert answer.headers["access-control-allow-headers"] == "content-type, authorization"
    async with http.options(METRICS, headers=asked | {"origin": "https://elsewhere.example"}) as answer:
        assert answer.status == 403


async def test_what_is_too_large(http: aiohttp.ClientSession) -> None:
    body = json.dumps({"metrics": [{"type": "x" * 250_000}]}).encode()

    async def in_parts() -> AsyncIterator[bytes]:
        yield body

    for data in (body, in_parts()):
        async with http.post(METRICS, data=data, headers=JSON) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (413, "MESSAGE_TOO_LARGE")
    async with http.get("/v1/health", headers={"x-large": "x" * 20_000}) as answer:
        assert answer.status in {400, 431}  # by uvicorn, or by the gate: as the bytes come


async def talk(door: Door, *parts: bytes) -> bytes:
    """What the door says, to its end, to bytes that come with pauses between them."""
    host, _, port = door.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_what_is_no_http(door: Door) -> None:
    twice = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"
    for sent in (
        b"\x16\x03\x01\x00\x00\r\n\r\n",
        twice,
        b"GET /v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ):
        assert (await talk(door, sent)).startswith(b"HTTP/1.1 400 ")


async def test_room_for_so_many_streams_and_an_end_of_them_when_the_door_drains(
    door_pair: Pair, tmp_path: Path, idea: str, mark: str
) -> None:
    door = start_door(door_pair, tmp_path, DOOR_MAX_STREAMS="1")
    control = door_pair.control()
    control.script(Rule(contains=mark, hold=mark))
    headers = {"prefer": "respond-async"}
    async with aiohttp.ClientSession(base_url=door.url) as http:
        async with http.post("/v1/full-review", json={"idea": idea}, headers=headers) as begun:
            path = f"{begun.headers['location']}/events"
        async with http.get(path) as stream:
            assert stream.status == 200
            async with http.get(path) as refused:
                assert (refused.status, (await refused.json())["reason"]) == (429, "OVERLOADED")
                assert refused.headers["retry-after"] == "1"
            door.process.popen.terminate()
            said = (await stream.content.read()).decode()
    control.release(mark)
    assert "event: end" not in said
    assert door.process.popen.wait(30) == 0
