"""The page: runs are shown, fill while they are watched, and are changed by its own forms alone."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from html import escape, unescape

import aiohttp
import pytest

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.integration.door.conftest import Door, start_door
from tests.support.pair import Pair


@pytest.fixture
async def browser(door: Door) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller that keeps cookies, of an address without a name too."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"origin": door.url, "sec-fetch-site": "same-origin"}
    async with aiohttp.ClientSession(base_url=door.url, cookie_jar=jar, headers=headers) as session:
        yield session


async def shown(browser: aiohttp.ClientSession, path: str) -> str:
    async with browser.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


def hidden(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that leads there."""
    form = page.partition(f'action="{action}"')[2].partition("</form>")[0]
    return {
        name: unescape(value)
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    }


async def sent(browser: aiohttp.ClientSession, path: str, form: dict[str, str]) -> tuple[int, str]:
    """The status of what a form comes to, and where it leads."""
    async with browser.post(path, data=form, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("location", "")


async def start(browser: aiohttp.ClientSession, idea: str) -> str:
    form = hidden(await shown(browser, "/runs/new"), "/runs") | {"idea": idea, "user": "ann"}
    status, path = await sent(browser, "/runs", form)
    assert (status, path[:6]) == (303, "/runs/")
    assert await sent(browser, "/runs", form) == (303, path)  # sent twice, begun once
    return path


async def test_a_review_is_started_fills_while_it_is_watched_and_is_annotated(
    door: Door, browser: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(contains=mark, step="review_critic", hold=mark))
        path = await start(browser, f"{idea} <script>alert(1)</script>")
        async with browser.get(f"{path}/live") as answer, asyncio.timeout(60):
            while not (await answer.content.readline()).startswith(b"id: "):
                pass
            await model.release(mark)
            said = (await answer.content.read()).decode()
    assert "id: " in said  # it was told of again
    assert said.endswith("event: end\ndata: over\n\n")
    page = await shown(browser, path)
    assert page.count('<li class="returned"') == 5
    assert "<script>alert" not in page
    action = f"{path}/annotate"
    assert await sent(browser, action, hidden(page, action) | {"notes": "Asked again."}) == (303, path)
    assert "Asked again." in await shown(browser, path)
    assert path in await shown(browser, "/runs?state=COMPLETED&user=ann&create_time_from=2020-01-01")
    assert path in await shown(browser, f"/runs?search={mark}")
    assert path not in await shown(browser, f"/runs?search={mark}+not+there")
    assert "review_critic" in await shown(browser, f"{path}/attempts")


async def ended(browser: aiohttp.ClientSession, path: str) -> None:
    async with browser.get(f"{path}/live") as answer, asyncio.timeout(60):
        await answer.content.read()


async def test_a_revision_and_what_it_revises_lead_to_one_another_and_to_what_changed(
    browser: aiohttp.ClientSession, idea: str
) -> None:
    parent = await start(browser, idea)
    await ended(browser, parent)
    form = hidden(await shown(browser, parent), f"{parent}/revise") | {"notes": "Say who pays <b>for it</b>."}
    status, revision = await sent(browser, f"{parent}/revise", form)
    assert status == 303
    await ended(browser, revision)
    for page, other in ((parent, revision), (revision, parent)):
        told = await shown(browser, page)
        assert f'href="{other}"' in told
        assert f'href="{revision}/changes"' in told
    changes = await shown(browser, f"{revision}/changes")
    for each in (
        "Say who pays &lt;b&gt;for it&lt;/b&gt;.",
        f'href="{parent}"',
        '<th scope="row">Architect</th>',
    ):
        assert each in changes
    assert '<span class="line added">+' in changes
    assert "This run revises none." in await shown(browser, f"{parent}/changes")


async def test_a_runs_journal_is_shown_and_verified(browser: aiohttp.ClientSession, idea: str) -> None:
    path = await start(browser, idea)
    await ended(browser, path)
    page = await shown(browser, f"{path}/journal")
    count = int(re.findall(r'<li value="(\d+)">', page)[0])  # the newest comes first
    assert page.count("<li value=") == count
    assert {"run.created", "decision.recorded"} <= set(re.findall(r"<summary><code>([\w.]+)</code>", page))
    form = hidden(page, f"{path}/journal")
    async with browser.post(f"{path}/journal", data=form) as answer:
        assert answer.status == 200
        verified = await answer.text()
    assert f"verified up to entry {count}." in verified
    assert re.search(r"Its digest: <code>[0-9a-f]{64}</code>", verified)
    assert (await sent(browser, f"{path}/journal", form | {"token": "0" * 64}))[0] == 403


async def test_a_run_is_cancelled(door: Door, browser: aiohttp.ClientSession, idea: str, mark: str) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(contains=mark, hold=mark))
        path = await start(browser, idea)
        action = f"{path}/cancel"
        form = hidden(await shown(browser, path), action)
        assert await sent(browser, action, form) == (303, path)
        await model.release(mark)
    assert "CANCELLED" in await shown(browser, path)


async def test_asking_for_the_head_of_a_stream_alone_holds_none_open(
    door: Door, browser: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(contains=mark, hold=mark))
        path = await start(browser, idea)
        try:
            for each in (f"{path}/live", f"/v1{path}/events"):
                async with asyncio.timeout(60), browser.head(each) as answer:
                    assert (answer.status, answer.content_type) == (200, "text/event-stream")
                    assert await answer.read() == b""
        finally:
            await model.release(mark)


async def test_a_form_of_anybody_else_changes_nothing(browser: aiohttp.ClientSession, idea: str) -> None:
    form = hidden(await shown(browser, "/runs/new"), "/runs") | {"idea": idea}
    assert (await sent(browser, "/runs", form | {"token": "0" * 64}))[0] == 403
    browser.cookie_jar.clear()
    assert (await sent(browser, "/runs", form))[0] == 403
    async with browser.post("/runs", data=form, headers={"origin": "https://pages.example"}) as answer:
        assert answer.status == 403


async def test_who_comes_by_a_link_from_elsewhere_is_asked_again_and_stays_signed_in(
    door: Door,
) -> None:
    elsewhere = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    async with (
        aiohttp.ClientSession(base_url=door.url, headers=elsewhere) as link,
        link.get("/runs") as answer,
    ):
        assert answer.status == 200
        assert 'http-equiv="refresh"' in await answer.text()
        assert "set-cookie" not in answer.headers


async def test_what_is_wrong_is_said_on_a_page(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/runs/none") as answer:
        assert answer.status == 404
        assert "RUN_NOT_FOUND" in await answer.text()
    form = hidden(await shown(browser, "/runs/new"), "/runs") | {"idea": "   "}
    async with browser.post("/runs", data=form) as answer:
        assert answer.status == 400
        assert "review.idea" in await answer.text()


async def test_what_was_typed_is_in_the_form_that_is_shown_again(
    browser: aiohttp.ClientSession, idea: str
) -> None:
    form = hidden(await shown(browser, "/runs/new"), "/runs")
    for wrong in ({"idea": "<b> 1\n2" * 10_000}, {"idea": "<b> 1\n2", "token": "0" * 64}):
        async with browser.post("/runs", data=form | {"user": "ann"} | wrong) as answer:
            assert answer.status in {400, 403}
            again = await answer.text()
        assert escape(wrong["idea"]) + "</textarea>" in again
        assert 'name="user" maxlength="255" value="ann"' in again
        assert hidden(again, "/runs")["token"] == form["token"]
    path = await start(browser, idea)
    await ended(browser, path)
    for act, limit in (("revise", 20_000), ("annotate", 10_000)):
        action = f"{path}/{act}"
        notes = "x" * (limit + 1)
        form = hidden(await shown(browser, path), action) | {"notes": notes}
        async with browser.post(action, data=form) as answer:
            assert answer.status == 400
            again = await answer.text()
        assert f'maxlength="{limit}">{notes}</textarea>' in again
        assert await sent(browser, action, hidden(again, action) | {"notes": "Shorter."})


async def test_a_run_that_failed_is_resumed_by_its_button(
    door: Door, browser: aiohttp.ClientSession, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(persona="critic", contains=mark, status=401))
        path = await start(browser, idea)
        await ended(browser, path)
        action = f"{path}/resume"
        form = hidden(await shown(browser, path), action)
        assert form  # the button is there
        await model.reset()
    assert await sent(browser, action, form) == (303, path)
    await ended(browser, path)
    assert "COMPLETED" in await shown(browser, path)


async def test_attempts_are_shown_with_their_tokens_and_time(
    browser: aiohttp.ClientSession, idea: str
) -> None:
    path = await start(browser, idea)
    await ended(browser, path)
    rows = re.findall(
        r"<tr>\s*<th scope=\"row\">(\w+)</th>(.*?)</tr>", await shown(browser, f"{path}/attempts"), re.DOTALL
    )
    assert len(rows) == 6
    for step, row in rows:
        cells = r"<td>1</td>.*<td>offline-rules</td><td>\d+\.\d s</td><td>[1-9]\d*</td><td>[1-9]\d*</td>"
        assert re.search(cells, row, re.DOTALL), step


@pytest.fixture(scope="session")
def showing_door(door_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One that only shows."""
    started = start_door(door_pair, tmp_path_factory.mktemp("showing_door"), DOOR_READ_ONLY="true")
    try:
        yield started
    finally:
        started.process.stop()


async def test_where_the_page_only_shows_no_form_is_taken(
    door: Door, browser: aiohttp.ClientSession, showing_door: Door, idea: str
) -> None:
    path = await start(browser, idea)
    await ended(browser, path)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(base_url=showing_door.url, cookie_jar=jar) as session:
        token = hidden(await shown(session, f"{path}/journal"), f"{path}/journal")["token"]
        assert "<textarea" not in await shown(session, path)
        for each in ("/runs", *(f"{path}/{act}" for act in ("cancel", "resume", "revise", "annotate"))):
            form = {"token": token, "key": "k", "idea": idea, "notes": "Asked again."}
            assert (await sent(session, each, form))[0] in {404, 405}, each
        assert "Asked again." not in await shown(session, path)
