"""What Prometheus is told of the door: nothing under a name that a caller made up."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from offline_model.script import Rule
from tests.support.door import start_door
from tests.support.pair import Pair, until

DOOR = "consensus_door_"


class Scrape:
    """What the page of metrics says."""

    def __init__(self, text: str) -> None:
        self._samples = [each for family in text_string_to_metric_families(text) for each in family.samples]

    def of(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of one metric, by those of its labels in the order of their names."""
        return {
            tuple(value for _, value in sorted(each.labels.items())): each.value
            for each in self._samples
            if each.name == name
        }


async def say_no_http(address: str) -> None:
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x16\x03\x01\r\n\r\n")
    await reader.read()
    writer.close()


async def scraped(address: str) -> Scrape:
    async with aiohttp.ClientSession() as http, http.get(f"http://{address}/metrics") as answer:
        return Scrape(await answer.text())


async def test_what_is_asked_and_refused_is_counted_and_what_is_not_known_has_one_name(
    door_pair: Pair, tmp_path: Path
) -> None:
    address = door_pair.ports.listen()
    door = start_door(door_pair, tmp_path, DOOR_METRICS_LISTEN=address, DOOR_MAX_BODY_BYTES="2000")
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/v1/runs/one", {}),
        ("GET", "/v1/runs/another", {}),
        ("POST", "/consensus.v1.ReviewService/GetServiceInfo", {"json": {}}),
        ("GET", "/nothing", {}),
        ("GET", "/consensus.v1.ReviewService/Nothing", {}),
        ("ODD", "/v1/health", {}),
        ("GET", "/v1/health", {"headers": {"host": "rebound.example"}}),
        ("GET", "/v1/health", {"headers": {"origin": "https://elsewhere.example"}}),
        ("POST", "/v1/metrics", {"data": b"x" * 3000}),
    ]
    try:
        async with aiohttp.ClientSession(base_url=door.url) as http:
            for method, path, more in asked:
                async with http.request(method, path, **more) as answer:
                    await answer.read()
        await say_no_http(door.address)
        told = await scraped(address)
    finally:
        door.process.stop()
    assert told.of(f"{DOOR}requests_total") == {
        ("GET", "/v1/runs/{run_id}", "404"): 2,
        ("POST", "/consensus.v1.ReviewService/GetServiceInfo", "200"): 1,
        ("GET", "unknown", "404"): 2,
        ("unknown", "unknown", "405"): 1,
        ("GET", "unknown", "421"): 1,
        ("GET", "unknown", "403"): 1,
        ("POST", "unknown", "413"): 1,
    }
    assert told.of(f"{DOOR}request_seconds_count")["GET", "/v1/runs/{run_id}"] == 2
    assert told.of(f"{DOOR}refused_total") == {
        (reason,): 1 for reason in ("body_size", "host", "method", "no_http", "origin")
    }
    assert told.of("grpc_client_handled_total") == {
        ("NOT_FOUND", "GetRun", "consensus.v1.ReviewService"): 2,
        ("OK", "GetServiceInfo", "consensus.v1.ReviewService"): 1,
    }
    assert told.of(f"{DOOR}requests_in_flight") == {(): 0}


async def test_who_watches_is_counted_while_it_lasts(
    door_pair: Pair, tmp_path: Path, idea: str, mark: str
) -> None:
    address = door_pair.ports.listen()
    door = start_door(door_pair, tmp_path, DOOR_METRICS_LISTEN=address)
    control = door_pair.control()
    control.script(Rule(contains=mark, hold=mark))

    async def has(count: int, streams: int) -> bool:
        told = await scraped(address)
        gauges = [told.of(DOOR + name)[()] for name in ("watchers", "connections", "streams_in_flight")]
        runs = told.of(f"{DOOR}watched_runs").get(("2-10",))
        return gauges == [count, count, streams] and runs == (1 if count else 0)

    try:
        async with aiohttp.ClientSession(base_url=door.url) as http:
            headers = {"prefer": "respond-async"}
            async with http.post("/v1/full-review", json={"idea": idea}, headers=headers) as answer:
                path = f"/runs/{(await answer.json())['runId']}/live"
            watching = [await http.get(path) for _ in range(3)]
            await until(lambda: has(3, 1), 60)
            for each in watching:
                each.close()
            await until(lambda: has(0, 0), 60)
            told = await scraped(address)
    finally:
        control.release(mark)
        door.process.stop()
    ended = told.of("grpc_client_handled_total")
    assert ended["CANCELLED", "WatchRun", "consensus.v1.ReviewService"] == 1
