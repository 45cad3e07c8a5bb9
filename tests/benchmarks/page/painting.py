"""How soon a browser paints the list of runs, beside how soon the door answers the same request."""

import asyncio
import statistics
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.page.browser import Tab, browsing

_PAINTED = "performance.getEntriesByName('first-contentful-paint').length == 1"
_TIMES = """[
    performance.getEntriesByName('first-contentful-paint')[0].startTime,
    performance.getEntriesByType('navigation')[0].responseEnd,
]"""


@dataclass(frozen=True, slots=True)
class Load:
    """One load of a page, in milliseconds."""

    painted: float
    """Until the browser showed the first of it."""
    received: float
    """Until the browser had its last byte."""
    answered: float
    """The whole request by curl, a connection of its own included."""


async def loads(urls: Sequence[str], count: int, folder: Path) -> list[list[Load]]:
    """So many of each, taking turns; the browser keeps no file from one to the next."""
    measured: list[list[Load]] = [[] for _ in urls]
    async with browsing(folder) as tab:
        await tab.say("Network.setCacheDisabled", cacheDisabled=True)
        await _load(tab, urls[0])  # the browser's own first page
        for _ in range(count):
            for url, own in zip(urls, measured, strict=True):
                own.append(await _load(tab, url))
    return measured


def medians(measured: Sequence[Load]) -> Load:
    """Each figure's."""
    return Load(
        painted=statistics.median(each.painted for each in measured),
        received=statistics.median(each.received for each in measured),
        answered=statistics.median(each.answered for each in measured),
    )


async def _load(tab: Tab, url: str) -> Load:
    answered = await _curl(url)
    await tab.open("about:blank")
    await tab.open(url)
    await tab.until(_PAINTED)
    painted, received = await tab.run(_TIMES)
    return Load(painted, received, answered)


async def _curl(url: str) -> float:
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--fail", "--noproxy", "*", "--output", "/dev/null",
        "--write-out", "%{time_total}", url, stdout=PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0
    return float(said) * 1000
