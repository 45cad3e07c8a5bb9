"""How soon a browser that runs already paints the list of runs, beside how soon the door answers by curl."""

import asyncio
import statistics
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.page.browser import Tab, browsing

_PAINTED = "performance.getEntriesByName('first-contentful-paint').length == 1"
_TIMES = """(page => [
    performance.getEntriesByName('first-contentful-paint')[0].startTime,
    page.requestStart,
    page.responseStart,
    page.responseEnd,
])(performance.getEntriesByType('navigation')[0])"""
_BLANK = "about:blank"
# The browser ends the process of the page before and begins one for the next: people leave it the time.
_REST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A way to open a page."""

    url: str
    before: str = _BLANK
    """What the tab showed: the browser takes a new process of its own for a page of another site."""
    is_cold: bool = False
    """Whether it keeps no file of an earlier visit."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load of a page, in milliseconds from the start of the navigation, as the browser says."""

    painted: float
    """Until it showed the first of it."""
    asked: float
    """Until it asked the door."""
    answered: float
    """Until the first byte of the page."""
    received: float
    """Until the last."""
    curled: float
    """The whole request by curl just before, a connection of its own included."""


async def loads(visits: Mapping[str, Visit], count: int, folder: Path) -> dict[str, list[Load]]:
    """So many of each, taking turns, in one tab of one browser."""
    measured: dict[str, list[Load]] = {name: [] for name in visits}
    async with browsing(folder) as tab:
        for number in range(count + 1):
            for name, visit in visits.items():
                load = await _load(tab, visit)
                if number:  # else it is the browser's own first page of its kind
                    measured[name].append(load)
    return measured


def median(measured: Sequence[Load], figure: str) -> float:
    """Of one figure."""
    return statistics.median(_figures(measured, figure))


def p95(measured: Sequence[Load], figure: str) -> float:
    """What one load in twenty takes longer than."""
    return statistics.quantiles(_figures(measured, figure), n=20, method="inclusive")[-1]


def _figures(measured: Sequence[Load], figure: str) -> list[float]:
    return [getattr(each, figure) for each in measured]


async def _load(tab: Tab, visit: Visit) -> Load:
    await tab.say("Network.setCacheDisabled", cacheDisabled=visit.is_cold)
    curled = await _curl(visit.url)
    await tab.open(visit.before)
    await asyncio.sleep(_REST_SECONDS)
    await tab.open(visit.url)
    await tab.until(_PAINTED)
    painted, asked, answered, received = await tab.run(_TIMES)
    return Load(painted, asked, answered, received, curled)


async def _curl(url: str) -> float:
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--fail", "--noproxy", "*", "--output", "/dev/null",
        "--write-out", "%{time_total}", url, stdout=PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0
    return float(said) * 1000
