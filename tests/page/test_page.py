"""The page in a real Chromium: `make test-page`."""

import json

import pytest

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.integration.door.conftest import Door
from tests.page.browser import Tab

SEES_NO_COOKIE = "document.cookie === ''"
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
    await tab.width(pixels)
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(persona="critic", contains=mark, hold=mark))
        await start(tab, door, idea)
        await tab.run("window.isTheSamePage = true")
        await tab.until("document.querySelectorAll('.panel > li.returned').length == 4")
        assert await tab.run("document.querySelectorAll('.panel > li.asked').length") == 1
        await model.release(mark)
    await tab.until("document.querySelector('.state').textContent == 'COMPLETED'")
    assert await tab.run("document.querySelectorAll('.panel > li.returned').length") == 5
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
