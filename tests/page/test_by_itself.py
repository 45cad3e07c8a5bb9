"""What pages do by themselves, in a real Chromium: a list refreshes, a run fills, no reader is lost."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.page.browser import Tab
from tests.page.runs import begun, held, reviewed
from tests.support.door import Door, start_door
from tests.support.pair import Pair

RETURNED = "document.querySelectorAll('.panel > li.returned').length"
IS_COMPLETED = "document.querySelector('.state').textContent == 'COMPLETED'"
FOCUSED = "document.activeElement.id"


@pytest.fixture(scope="session")
def narrow_door(door_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One that has room for few requests at once."""
    started = start_door(door_pair, tmp_path_factory.mktemp("narrow_door"), DOOR_MAX_CALLS="8")
    try:
        yield started
    finally:
        started.process.stop()


@asynccontextmanager
async def crowded(door: Door, run_id: str) -> AsyncIterator[None]:
    """Meanwhile the door has no room for one more request: followers of a run that goes on take it all."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(base_url=door.url))
        refusals = 0
        while refusals < 2:  # the first may be for a request that ends at once
            answer = await stack.enter_async_context(http.get(f"/v1/runs/{run_id}/events"))
            refusals = refusals + 1 if answer.status == 503 else 0
        yield


async def refused(tab: Tab) -> None:
    """Waits until the browser has been refused once more."""
    tab.complaints.clear()
    while not any("503" in each for each in tab.complaints):
        await tab.until("true")


def link(run_id: str) -> str:
    return f"document.getElementById('run-{run_id}')"


async def test_the_list_shows_a_new_run_by_itself_and_whoever_stands_on_a_link_stays_there(
    tab: Tab, door: Door, idea: str
) -> None:
    await tab.look(400)
    first = await reviewed(door, f"{idea} It is the first.")
    await tab.open(f"{door.url}/runs")
    await tab.run(f"{link(first)}.focus(); window.isTheSamePage = true")
    await tab.run("document.querySelector('.scroll').scrollLeft = 50")
    second = await reviewed(door, f"{idea} It is the second.")
    await tab.until(f"{link(second)} !== null")
    assert await tab.run(FOCUSED) == f"run-{first}"
    assert await tab.run("document.querySelector('.scroll').scrollLeft") == 50
    assert await tab.run("window.isTheSamePage")
    assert tab.complaints == []


async def test_refreshing_is_stopped_and_begun_by_a_link_and_filters_stay(tab: Tab, door: Door) -> None:
    await tab.open(f"{door.url}/runs?user=ann")
    await tab.until("typeof htmx == 'object'")
    await tab.run("document.getElementById('refreshing').click()")
    await tab.until("location.search == '?user=ann&live=off' && document.readyState == 'complete'")
    assert await tab.run("typeof htmx") == "undefined"
    await tab.run("document.querySelector('[role=search] button').click()")
    await tab.until("location.search.endsWith('&live=off') && location.search.includes('state=')")
    await tab.until("document.readyState == 'complete'")
    await tab.run("document.getElementById('refreshing').click()")
    await tab.until("location.search == '?user=ann' && typeof htmx == 'object'")


async def test_a_list_whose_refresh_is_refused_stays_and_is_refreshed_later(
    tab: Tab, door: Door, narrow_door: Door, idea: str, mark: str
) -> None:
    async with held(narrow_door, "critic", mark):
        first = await begun(narrow_door, f"{idea} It is the first.")
        await tab.open(f"{narrow_door.url}/runs")
        await tab.until("typeof htmx == 'object'")
        async with crowded(narrow_door, first):
            await refused(tab)
            assert await tab.run(f"{link(first)} !== null")
            assert await tab.run("document.title") == "Runs · Consensus"
        second = await begun(door, f"{idea} It is the second.")
        await tab.until(f"{link(second)} !== null")


async def test_a_page_whose_first_connection_is_refused_keeps_its_run_and_fills_later(
    tab: Tab, narrow_door: Door, idea: str, mark: str
) -> None:
    async with held(narrow_door, "critic", mark):
        run_id = await begun(narrow_door, idea)
        await tab.open(f"{narrow_door.url}/runs/{run_id}")
        await tab.until(f"{RETURNED} == 4")
        async with crowded(narrow_door, run_id):
            # As if the page had just come: what connects is another element.
            await tab.run(
                "run = document.getElementById('run'); copy = run.cloneNode(true);"
                "run.replaceWith(copy); htmx.process(copy)"
            )
            await refused(tab)
            assert await tab.run(RETURNED) == 4
            assert await tab.run("document.getElementById('run').textContent.includes('RUNNING')")
    await tab.until(IS_COMPLETED)


async def test_what_a_reader_has_unfolded_stays_so_while_the_page_fills(
    tab: Tab, door: Door, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(
            *(Rule(persona=each, contains=mark, hold=f"{mark} {each}") for each in ("critic", "optimist"))
        )
        run_id = await begun(door, idea)
        await tab.open(f"{door.url}/runs/{run_id}")
        await tab.until(f"{RETURNED} == 3")
        await tab.run("document.querySelectorAll('#run details').forEach(each => { each.open = true })")
        await tab.run("document.querySelector('#subject summary').focus()")
        unfolded = await tab.run("document.querySelectorAll('#run details[open]').length")
        for released, state in (("optimist", f"{RETURNED} == 4"), ("critic", IS_COMPLETED)):
            await model.release(f"{mark} {released}")
            await tab.until(state)
            assert await tab.run("document.querySelectorAll('#run details[open]').length") >= unfolded
            assert await tab.run("document.activeElement.parentNode.id") == "subject"
    assert unfolded >= 2


async def test_a_column_counts_how_long_it_waits_and_when_a_failed_call_is_made_again(
    tab: Tab, door: Door, idea: str, mark: str
) -> None:
    await tab.look(400)
    column = "document.getElementById('of-critic').textContent"
    async with ControlClient(door.pair.model_url) as model:
        await model.script(
            Rule(persona="critic", contains=mark, status=429, headers={"retry-after": "20"}, times=1),
            Rule(persona="critic", contains=mark, hold=mark),
        )
        run_id = await begun(door, idea)
        await tab.open(f"{door.url}/runs/{run_id}")
        await tab.until(f"/attempt 2 of [0-9]+, again in [0-9.]+ s/.test({column})")
        await tab.until(f"/waiting for [1-9][0-9]* s, attempt 2 of [0-9]+, again now/.test({column})")
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
        await model.release(mark)
        await tab.until(IS_COMPLETED)
        assert ", 2 attempts" in await tab.run(column)
    assert tab.complaints == []
