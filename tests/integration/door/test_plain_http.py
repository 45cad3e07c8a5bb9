"""The job as plain HTTP: reviews, runs, their events, health, metrics, and what describes them."""

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.integration.door.conftest import Door
from tests.support.fault_proxy import FaultProxy

ASYNC = {"prefer": "respond-async"}


@dataclass(frozen=True, slots=True)
class ServerSent:
    """One server-sent event."""

    id: str
    event: str
    data: Any


async def frames(lines: AsyncIterable[bytes]) -> AsyncGenerator[ServerSent]:
    """The events of a stream, heartbeats left out."""
    frame: dict[str, str] = {}
    async for raw in lines:
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name:
            frame[name] = value
        elif "data" in frame:
            yield ServerSent(frame.get("id", ""), frame["event"], json.loads(frame["data"]))
            frame = {}


async def events(http: aiohttp.ClientSession, run_id: str) -> AsyncGenerator[ServerSent]:
    """All events of a run."""
    async with http.get(f"/v1/runs/{run_id}/events") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        async for each in frames(answer.content):
            yield each


async def curl(*arguments: str) -> AsyncGenerator[bytes]:
    """The lines that curl prints, to its end."""
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--no-buffer", "--noproxy", "*", *arguments, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            yield line
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def begin(http: aiohttp.ClientSession, idea: str, **headers: str) -> str:
    async with http.post("/v1/full-review", json={"idea": idea}, headers=ASYNC | headers) as answer:
        told = await answer.json()
        assert answer.status == 202, told
        assert answer.headers["location"] == f"/v1/runs/{told['runId']}"
        run_id: str = told["runId"]
        return run_id


async def test_curl_follows_a_review_is_cut_and_gets_each_event_once(
    door: Door, http: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    body = ("-H", "content-type: application/json", "-d", json.dumps({"idea": idea}))
    async with FaultProxy.start(door.address) as proxy, ControlClient(door.pair.model_url) as model:
        await model.script(Rule(persona="critic", contains=mark, hold=mark))
        url = f"http://{proxy.address}/v1"
        said = [line async for line in curl("-H", "prefer: respond-async", *body, f"{url}/full-review")]
        run_id = json.loads(b"".join(said))["runId"]
        stream, seen = f"{url}/runs/{run_id}/events", []
        async for each in frames(curl(stream)):
            seen.append(each)
            if each.event == "persona_review_ready":
                proxy.reset()  # in the middle of the run
        assert seen[-1].event != "end"
        await model.release(mark)
        last = f"last-event-id: {seen[-1].id}"
        seen += [each async for each in frames(curl("-H", last, stream))]
    *recorded, end = seen
    assert [int(each.id) for each in recorded] == list(range(1, len(recorded) + 1))
    assert [each.data["sequence"] for each in recorded] == [int(each.id) for each in recorded]
    assert (recorded[-1].event, end.event, end.data["state"]) == ("run_completed", "end", "COMPLETED")
    async with http.get(f"/v1/runs/{run_id}/events", headers={"last-event-id": recorded[-1].id}) as answer:
        assert answer.status == 204
    async with http.get(f"/v1/runs/{run_id}/events", headers={"last-event-id": "900"}) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (400, "SEQUENCE_OUT_OF_RANGE")


async def test_a_whole_review_by_one_request_and_again_under_its_key(
    http: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    found = []
    for _ in range(2):
        async with http.post(
            "/v1/full-review", json={"idea": idea, "user": mark}, headers={"idempotency-key": f'"{mark}"'}
        ) as answer:
            assert answer.status == 200
            found.append(await answer.json())
    assert found[0] == found[1]
    assert (found[0]["state"], len(found[0]["personaReviews"])) == ("RUN_STATE_COMPLETED", 5)
    async with http.get("/v1/runs", params={"user": mark, "state": "completed"}) as answer:
        assert [each["runId"] for each in (await answer.json())["runs"]] == [found[0]["runId"]]
    async with http.get(f"/v1/runs/{found[0]['runId']}") as answer:
        assert await answer.json() == found[0]


async def test_whoever_waits_no_longer_is_told_where_the_run_is(
    door: Door, http: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(contains=mark, hold=mark))
        headers = {"prefer": "respond-async, wait=0"}
        async with http.post("/v1/full-review", json={"idea": idea}, headers=headers) as answer:
            told = await answer.json()
        assert (answer.status, told["state"]) == (202, "RUN_STATE_RUNNING")
        await model.release(mark)
        seen = [each async for each in events(http, told["runId"])]
    assert seen[-1].data["state"] == "COMPLETED"


async def test_what_the_provider_fails_is_5xx_with_what_there_is(
    door: Door, http: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(persona="critic", contains=mark, status=401))
        async with http.post("/v1/full-review", json={"idea": idea}) as answer:
            told = await answer.json()
    assert (answer.status, answer.content_type) == (502, "application/problem+json")
    assert (told["reason"], told["failed_step"], told["resumable"]) == (
        "QUORUM_NOT_MET", "review_critic", "true"
    )  # fmt: skip
    assert told["run_id"]
    assert told["partial_results"]["proposal"]["title"]
    assert len(told["partial_results"]["personaReviews"]) == 4
    seen = [each async for each in events(http, told["run_id"])]
    assert (seen[-2].event, seen[-1].event, seen[-1].data["state"]) == ("run_failed", "end", "FAILED")


async def test_what_is_no_request_is_told_by_field(http: aiohttp.ClientSession) -> None:
    bad: dict[str, tuple[dict[str, Any], str]] = {
        "/v1/full-review": ({}, "review"),
        "/v1/metrics": ({"metricz": []}, "body"),
    }
    for path, (told, field) in bad.items():
        async with http.post(path, json=told) as answer:
            said = await answer.json()
        assert (answer.status, said["reason"]) == (400, "INVALID_FIELD")
        assert said["field_violations"][0]["field"].startswith(field)
    async with http.post(
        "/v1/full-review", data='{"idea": "x"}', headers={"content-type": "text/plain"}
    ) as answer:
        assert (answer.status, (await answer.json())["field_violations"][0]["field"]) == (400, "Content-Type")
    for query in ({"stat": "x"}, {"state": "asleep"}, {"page_size": "1000"}):
        async with http.get("/v1/runs", params=query) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (400, "INVALID_FIELD")
    async with http.get("/v1/runs/none") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (404, "RUN_NOT_FOUND")


async def test_health_and_the_pool_and_metrics(http: aiohttp.ClientSession, mark: str) -> None:
    async with http.get("/v1/health") as answer:
        assert (answer.status, await answer.json()) == (
            200, {"status": "ok", "review": "SERVING", "persistence": "SERVING"}
        )  # fmt: skip
    async with http.get("/v1/health/db-pool") as answer:
        assert set(await answer.json()) == {"size", "checkedOutCount", "overflowCount", "waitingCount"}
    stored = []
    for _ in range(2):
        told = {"metrics": [{"type": "door", "data": {"mark": mark}}]}
        async with http.post("/v1/metrics", json=told, headers={"idempotency-key": mark}) as answer:
            stored.append(await answer.json())
    assert stored[0] == stored[1]
    assert stored[0]["storedCount"] == 1


async def test_the_document_describes_what_there_is(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/openapi.json") as answer:
        described = await answer.json()
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert referred == set(described["components"]["schemas"])
    async with http.get("/v1/openapi") as answer:
        page = await answer.text()
    assert all(path in page for path in described["paths"])
