"""The page in a real Chromium: `make test-page`."""

import json

import pytest

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.page.browser import Tab
from tests.page.runs import begun, ended, held
from tests.support.door import Door
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import until

SEES_NO_COOKIE = "document.cookie === ''"
RETURNED = "document.querySelectorAll('.panel > li.returned').length"
IS_COMPLETED = "document.querySelector('.state').textContent == 'COMPLETED'"
FITS = "document.documentElement.scrollWidth <= innerWidth"


async def start(tab: Tab, door: Door, idea: str) -> None:
    await tab.open(f"{door.url}/runs/new")
    await tab.run(f"document.querySelector('textarea').value = {json.dumps(idea)}")
    await tab.run("document.querySelector('main button').click()")
    await tab.until("document.querySelectorAll('.panel > li').length == 5")


@pytest.mark.parametrize("pixels", [1280, 400])
async def test_a_review_is_started_and_fills_while_it_is_looked_at(
    tab: Tab, door: Door, idea: str, mark: str, pixels: int
) -> None:
    await tab.look(pixels)
    async with held(door, "critic", mark):
        await start(tab, door, idea)
        await tab.run("window.isTheSamePage = true")
        await tab.until(f"{RETURNED} == 4")
        assert await tab.run("document.querySelectorAll('.panel > li.asked').length") == 1
    await tab.until(IS_COMPLETED)
    assert await tab.run(RETURNED) == 5
    assert await tab.run("window.isTheSamePage")
    assert await tab.run(SEES_NO_COOKIE)
    for path in ("", "/attempts"):
        await tab.open(await tab.run("location.href.replace('/attempts', '')") + path)
        assert await tab.run(FITS)
    await tab.open(f"{door.url}/runs")
    assert await tab.run(FITS)
    assert tab.complaints == []
    assert tab.hosts - {""} == {door.address}


async def test_a_link_from_elsewhere_leads_to_a_page_whose_forms_are_taken(
    tab: Tab, door: Door, idea: str
) -> None:
    await start(tab, door, f"{idea} It is the first.")
    # To a browser `localhost` is another site than the address that it stands for.
    await tab.open(f"{door.url.replace('127.0.0.1', 'localhost')}/runs")
    await tab.run(f"location.href = '{door.url}/runs/new'")
    await tab.until(f"location.href == '{door.url}/runs/new' && document.querySelector('textarea') !== null")
    await tab.run(f"document.querySelector('textarea').value = {json.dumps(idea + ' It is the second.')}")
    await tab.run("document.querySelector('main button').click()")
    await tab.until("document.querySelectorAll('.panel > li').length == 5")
    assert tab.complaints == []


@pytest.mark.parametrize(("pixels", "scheme"), [(1280, "light"), (400, "dark")])
async def test_a_page_that_is_cut_while_it_fills_goes_on_behind_what_it_has(
    tab: Tab, door: Door, idea: str, mark: str, pixels: int, scheme: str
) -> None:
    await tab.look(pixels, scheme)
    async with FaultProxy.start(door.address) as proxy:
        async with held(door, "critic", mark):
            run_id = await begun(door, idea)
            await tab.open(f"http://{proxy.address}/runs/{run_id}")
            await tab.run("window.isTheSamePage = true")
            await tab.until(f"{RETURNED} == 4")
            proxy.refuse()
        # What is left of the run happens while nobody can see it.
        await until(lambda: ended(door, run_id), 60)
        assert await tab.run(RETURNED) == 4
        proxy.heal()
        await tab.until(IS_COMPLETED)
    assert await tab.run(RETURNED) == 5
    assert await tab.run("window.isTheSamePage")
    assert await tab.run(FITS)
    assert int(followed_from(tab)[-1]) > int(followed_from(tab)[0] or 0)


async def test_who_is_about_to_cancel_by_keys_stays_there_while_the_page_fills(
    tab: Tab, door: Door, idea: str, mark: str
) -> None:
    async with ControlClient(door.pair.model_url) as model:
        await model.script(
            *(Rule(persona=each, contains=mark, hold=f"{mark} {each}") for each in ("critic", "optimist"))
        )
        await start(tab, door, idea)
        await tab.until(f"{RETURNED} == 3")
        await tab.run("document.querySelector('form[action$=cancel] button').focus()")
        await model.release(f"{mark} optimist")
        await tab.until(f"{RETURNED} == 4")
        assert await tab.run("document.activeElement.textContent") == "Cancel"
        await model.release(f"{mark} critic")
        await tab.until(IS_COMPLETED)


def followed_from(tab: Tab) -> list[str]:
    """Behind which event the page has asked to follow its run, each time it did."""
    asked = [each for each in tab.requests if "/live" in each["url"]]
    return [each["headers"].get("Last-Event-ID", "") for each in asked]
