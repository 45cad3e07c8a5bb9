"""Behind a door callers are who their own credentials say, and the page is signed in to with one."""

import re
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.integration.door.conftest import Door, start_door
from tests.support.pair import Pair


@pytest.fixture(scope="module")
def door(keyed: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    started = start_door(keyed, tmp_path_factory.mktemp("keyed_door"))
    try:
        yield started
    finally:
        started.process.stop()


@pytest.fixture
async def http(door: Door) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        base_url=door.url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"origin": door.url}
    ) as session:
        yield session


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_each_call_is_made_with_its_callers_credential(
    http: aiohttp.ClientSession, keys: dict[str, str]
) -> None:
    idea = {"idea": "A page that lists the open tasks of a ward."}
    async with http.post("/v1/full-review", json=idea) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
    async with http.post("/v1/full-review", json=idea, headers=bearer(keys["viewer"])) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (403, "PERMISSION_DENIED")
    async with http.post("/v1/full-review", json=idea, headers=bearer(keys["submitter"])) as answer:
        run = await answer.json()
        assert (answer.status, run["caller"]) == (200, "submitter")
    path = "/consensus.v1.ReviewService/GetRun"
    asked = {"runId": run["runId"]}
    for role, status in {"viewer": 200, "other": 404, "none": 401}.items():
        headers = bearer(keys[role]) if keys[role] else {}
        async with http.post(path, json=asked, headers=headers) as answer:
            assert answer.status == status
    async with http.get("/v1/health/db-pool", headers=bearer(keys["viewer"])) as answer:
        assert answer.status == 403
    async with http.get("/v1/health") as answer:
        assert answer.status == 200


async def test_the_page_is_signed_in_to_and_out_of(http: aiohttp.ClientSession, keys: dict[str, str]) -> None:
    async def sign(path: str, **form: str) -> tuple[int, str]:
        async with http.get("/sign-in") as page:
            token = re.findall(r'name="token" value="(\w+)"', await page.text())[0]
        async with http.post(path, data={"token": token} | form, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("location", "")

    async def status() -> int:
        async with http.get("/runs?state=COMPLETED") as answer:
            page = await answer.text()
        assert ("Sign out" in page) is (answer.status == 200)
        return answer.status

    assert await status() == 401
    assert await sign("/sign-in", key="ck_none_none") == (401, "")
    assert await status() == 401
    assert await sign("/sign-in", key=keys["viewer"], back="//evil.example") == (303, "/runs")
    assert await status() == 200
    async with http.get("/runs/r-1/journal") as answer:
        assert answer.status == 403
        assert "may not read the journal" in await answer.text()
    async with http.get("/v1/runs") as answer:
        assert answer.status == 401  # of the cookie the page alone takes notice
    assert (await sign("/sign-out"))[0] == 303
    assert await status() == 401
