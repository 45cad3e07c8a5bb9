"""The pictures of docs/door/: `make screenshots`.

A pair of its own on SQLite, with the offline model, and a door before it. Ids and times differ from one time
to the next, so a picture changes whenever it is made anew.
"""

import asyncio
import base64
import io
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from tests.page.browser import Tab, browsing
from tests.page.runs import begun, held, reviewed
from tests.support.door import Door, start_door
from tests.support.pair import running_pair
from tests.support.processes import ROOT

PICTURES = ROOT / "docs" / "door"
MOST_BYTES = 150_000
SCHEMES = ("light", "dark")
# How wide a window is, and how high.
WINDOWS = {1280: 760, 400: 760}

_COLOURS = 128
_IDEAS = {
    "ann": "Nurses hand over a shift from one page. It replaces the paper form on two wards first, and it is "
    "done when handovers take under five minutes.",
    "ben": "Store customers' passwords in plain text so that support can read them back.",
    "eve": (ROOT / "examples" / "ideas" / "appointment-reminders.md").read_text(encoding="utf-8"),
}
_LIVE = "A page lists the open tasks of a ward, with who takes each and until when."


async def take(door: Door, folder: Path) -> None:
    """Reviews the ideas, and pictures the list, one of the runs, and one that waits for a persona."""
    runs = {user: await reviewed(door, idea, user) for user, idea in _IDEAS.items()}
    async with held(door, "critic", _LIVE[:20]), browsing(folder) as tab:
        await tab.say("Emulation.setScrollbarsHidden", hidden=True)
        live = await begun(door, _LIVE, "ann")
        await tab.open(f"{door.url}/runs/{live}")
        await tab.until("document.querySelectorAll('.panel > li.returned').length == 4")
        pages = {"list": "/runs", "run": f"/runs/{runs['ben']}", "live": f"/runs/{live}"}
        for name, path in pages.items():
            for pixels, height in WINDOWS.items():
                for scheme in SCHEMES:
                    await tab.look(pixels, scheme, height)
                    await tab.open(door.url + path)
                    keep(await picture(tab), PICTURES / f"{name}-{pixels}-{scheme}.png")


async def picture(tab: Tab) -> bytes:
    """What the window shows, as a PNG."""
    told = await tab.say("Page.captureScreenshot", format="png")
    return base64.b64decode(told["data"])


def keep(png: bytes, path: Path) -> None:
    """Writes it with as few colours as a page has."""
    small = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}  {size:,} bytes")
    assert size < MOST_BYTES, path


def main() -> int:
    """Makes all of them."""
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consensus-pictures-")))
        pair = stack.enter_context(running_pair(folder, f"sqlite:///{folder / 'consensus.db'}"))
        door = start_door(pair, folder)
        stack.callback(door.process.stop)
        asyncio.run(take(door, folder / "browser"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
