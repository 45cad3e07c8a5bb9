"""Each kind of page, as axe judges it: on a desk and on a phone, light and dark."""

import json

import pytest

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.page.axe import faults
from tests.page.browser import Tab
from tests.page.runs import begun, ended, held, reviewed
from tests.support.door import Door
from tests.support.pair import until

FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pixels", [1280, 400])
async def test_axe_finds_nothing_on_any_page(
    tab: Tab, door: Door, idea: str, mark: str, pixels: int, scheme: str
) -> None:
    await tab.look(pixels, scheme)
    finished = await reviewed(door, f"{idea} It is the first.", "ann")
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(persona="critic", contains=mark, status=401))
        failed = await reviewed(door, f"{idea} It is the second.")
    async with held(door, "critic", mark):
        live = await begun(door, f"{idea} It is the third.")
        await tab.open(f"{door.url}/runs/{live}")
        await tab.until("document.querySelectorAll('.panel > li.returned').length == 4")
        found = {"live": await faults(tab)}
        for path in (
            "/runs", "/runs?user=nobody-at-all", f"/runs/{finished}", f"/runs/{finished}/attempts",
            f"/runs/{failed}", "/runs/new", "/sign-in", "/v1/openapi", "/runs/none",
            f"/runs/{finished}/changes",
        ):  # fmt: skip
            await tab.open(door.url + path)
            found[path] = await faults(tab)
    assert found == {page: [] for page in found}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pixels", [1280, 400])
async def test_axe_finds_nothing_in_a_journal_folded_or_not_nor_in_its_proof(
    tab: Tab, door: Door, idea: str, pixels: int, scheme: str
) -> None:
    await tab.look(pixels, scheme)
    journal = f"{door.url}/runs/{await reviewed(door, idea)}/journal"
    await tab.open(journal)
    found = {"folded": await faults(tab)}
    await tab.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert await tab.run(FITS)
    found["unfolded"] = await faults(tab)
    await tab.run("document.querySelector('main button').click()")
    await tab.until("document.querySelector('section[role=status] .good') !== null")
    assert await tab.run(FITS)
    found["verified"] = await faults(tab)
    assert found == {page: [] for page in found}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pixels", [1280, 400])
async def test_axe_finds_nothing_in_a_revision_what_it_revises_and_what_changed(
    tab: Tab, door: Door, idea: str, pixels: int, scheme: str
) -> None:
    await tab.look(pixels, scheme)
    parent = f"{door.url}/runs/{await reviewed(door, idea)}"
    await tab.open(parent)
    await revise(tab, "It is paid by each ward. Whoever is late is reminded by name.")
    revision = await tab.run("location.href.split('?')[0]")
    await until(lambda: ended(door, revision.rpartition("/")[2]), 60)
    found = {}
    for name, url in {"revision": revision, "revised": parent, "changes": f"{revision}/changes"}.items():
        await tab.open(url)
        assert await tab.run(FITS), name
        found[name] = await faults(tab)
    assert await tab.run("document.querySelector('ins, del, .added') !== null"), "nothing has changed"
    assert found == {page: [] for page in found}


async def revise(tab: Tab, notes: str) -> None:
    """Sends the form of the run that is open, and waits for the page of its revision."""
    form = "document.querySelector('form[action$=\"/revise\"]')"
    parent = await tab.run("location.href")
    await tab.run(f"{form}.querySelector('textarea').value = {json.dumps(notes)}")
    await tab.run(f"{form}.querySelector('button').click()")
    await tab.until(f"location.href != {json.dumps(parent)} && document.readyState == 'complete'")
