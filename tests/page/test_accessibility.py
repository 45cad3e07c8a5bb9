"""Each kind of page, as axe judges it: on a desk and on a phone, light and dark."""

import pytest

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.page.axe import faults
from tests.page.browser import Tab
from tests.page.runs import begun, held, reviewed, revised
from tests.support.door import Door


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pixels", [1280, 400])
async def test_axe_finds_nothing_on_any_page(
    tab: Tab, door: Door, idea: str, mark: str, pixels: int, scheme: str
) -> None:
    await tab.look(pixels, scheme)
    finished = await reviewed(door, f"{idea} It is the first.", "ann")
    revision = await revised(door, finished)
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
            f"/runs/{finished}/journal", f"/runs/{finished}/changes", f"/runs/{revision}/changes",
            f"/runs/{failed}", "/runs/new", "/sign-in", "/v1/openapi", "/runs/none",
        ):  # fmt: skip
            await tab.open(door.url + path)
            found[path] = await faults(tab)
    assert found == {page: [] for page in found}
