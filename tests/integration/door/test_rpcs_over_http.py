"""Every RPC by JSON, by the Connect protocol and by gRPC-Web, with errors as the services gave them."""

import base64
import json
import struct
from typing import Any

import aiohttp
import pytest
from google.rpc import error_details_pb2, status_pb2

from consensus.v1 import review_service_pb2
from tests.integration.door.conftest import Door

REVIEW = "/consensus.v1.ReviewService"
JSON = {"content-type": "application/json"}
UNARY = {f"{REVIEW}/GetServiceInfo": "version", "/consensus.v1.IdentityService/WhoAmI": "tenant"}


async def post(http: aiohttp.ClientSession, path: str, told: Any, **headers: str) -> tuple[int, Any, Any]:
    async with http.post(path, data=json.dumps(told), headers=JSON | headers) as answer:
        return answer.status, await answer.json(), answer.headers


def frames(raw: bytes) -> list[tuple[int, bytes]]:
    """The enveloped messages of a stream: flags and bytes."""
    found = []
    while raw:
        flags, size = struct.unpack(">BI", raw[:5])
        found.append((flags, raw[5 : 5 + size]))
        raw = raw[5 + size :]
    return found


def enveloped(data: bytes) -> bytes:
    return struct.pack(">BI", 0, len(data)) + data


@pytest.mark.parametrize(("path", "field"), UNARY.items(), ids=["review", "persistence"])
async def test_json_by_post_at_each_service(http: aiohttp.ClientSession, path: str, field: str) -> None:
    status, told, headers = await post(http, path, {}, **{"x-request-id": "mine-1"})
    assert (status, headers["x-request-id"]) == (200, "mine-1")
    assert told[field]


async def test_an_error_keeps_its_reason_and_what_the_service_said_of_fields(
    http: aiohttp.ClientSession,
) -> None:
    status, told, _ = await post(http, f"{REVIEW}/GetRun", {"runId": "n o"})
    assert (status, told["code"]) == (400, "invalid_argument")
    details = {each["type"]: each for each in told["details"]}
    raw = base64.b64decode(details["google.rpc.BadRequest"]["value"] + "===")
    assert error_details_pb2.BadRequest.FromString(raw).field_violations[0].field == "run_id"
    assert details["google.rpc.ErrorInfo"]["debug"]["reason"] == "INVALID_FIELD"


async def test_a_stream_by_connect(http: aiohttp.ClientSession, idea: str) -> None:
    body = enveloped(json.dumps({"review": {"idea": idea}}).encode())
    headers = {"content-type": "application/connect+json"}
    async with http.post(f"{REVIEW}/StreamReview", data=body, headers=headers) as answer:
        assert answer.status == 200
        *messages, (flags, end) = frames(await answer.read())
    sequences = [event["sequence"] for _, raw in messages for event in json.loads(raw).get("events", [])]
    assert sequences == list(range(1, len(sequences) + 1))
    assert (flags, json.loads(end)) == (2, {})
    assert answer.headers["x-run-id"] == json.loads(messages[0][1])["events"][0]["runId"]


async def test_a_call_and_its_error_by_grpc_web(http: aiohttp.ClientSession) -> None:
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    request = review_service_pb2.GetServiceInfoRequest().SerializeToString()
    async with http.post(f"{REVIEW}/GetServiceInfo", data=enveloped(request), headers=headers) as answer:
        (_, raw), (flags, trailers) = frames(await answer.read())
    assert review_service_pb2.GetServiceInfoResponse.FromString(raw).personas
    assert (flags, trailers) == (0x80, b"grpc-status: 0\r\n")
    missing = review_service_pb2.GetRunRequest(run_id="none").SerializeToString()
    async with http.post(f"{REVIEW}/GetRun", data=enveloped(missing), headers=headers) as answer:
        ((flags, trailers),) = frames(await answer.read())
    told = dict(line.split(": ") for line in trailers.decode().splitlines())
    assert (flags, told["grpc-status"]) == (0x80, "5")
    status = status_pb2.Status.FromString(base64.b64decode(told["grpc-status-details-bin"] + "==="))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.metadata["run_id"]) == ("RUN_NOT_FOUND", "none")


async def test_a_read_by_get(http: aiohttp.ClientSession) -> None:
    query = {"encoding": "json", "message": json.dumps({"pageSize": 1}), "connect": "v1"}
    async with http.get(f"{REVIEW}/ListRuns", params=query) as answer:
        assert answer.status == 200
    async with http.get(f"{REVIEW}/StartReview", params=query) as answer:
        assert answer.status == 405


async def test_the_callers_deadline_is_the_services(http: aiohttp.ClientSession) -> None:
    status, told, _ = await post(http, f"{REVIEW}/GetServiceInfo", {}, **{"connect-timeout-ms": "50"})
    assert (status, told["code"]) == (504, "deadline_exceeded")


DEEP = '{"a":' * 40 + "1" + "}" * 40
BAD = {
    "no_json": ("{", "is no JSON"),
    "a_list": ("[]", "must be a JSON object"),
    "deep": ('{"metrics": [{"data": %s}]}' % DEEP, "deeper than 32 levels"),  # noqa: UP031 - braces
    "wide": ('{"metrics": [{"data": {"a": [%s]}}]}' % ",".join(["1"] * 50_001), "more than 50000 values"),  # noqa: UP031
    "wrong_type": ('{"metrics": [{"type": 5}]}', "type"),
    "surrogate": ('{"user": "\\ud800"}', "is no JSON"),
}


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD)
async def test_json_that_is_no_request_is_refused_here(
    http: aiohttp.ClientSession, body: str, said: str
) -> None:
    path = "/consensus.v1.MetricService/StoreMetrics"
    async with http.post(path, data=body, headers=JSON) as answer:
        told = await answer.json()
    assert (answer.status, told["code"]) == (400, "invalid_argument")
    assert said in told["message"]


async def test_what_is_not_spoken_here(http: aiohttp.ClientSession, door: Door) -> None:
    for headers in ({"content-type": "application/grpc"}, {"content-type": "application/xml"}):
        async with http.post(f"{REVIEW}/GetServiceInfo", data=b"", headers=headers) as answer:
            assert answer.status == 415
    async with http.post(
        f"{REVIEW}/GetServiceInfo", data=b"{}", headers=JSON | {"content-encoding": "gzip"}
    ) as answer:
        assert (answer.status, (await answer.json())["code"]) == (501, "unimplemented")
    for path in ("/consensus.internal.v1.PersistenceService/GetRun", "/nothing", "/v1/nothing"):
        async with http.post(path, data=b"{}", headers=JSON) as answer:
            assert answer.status == 404
