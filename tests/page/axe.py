"""axe, which judges a page by rules of accessibility, run in the browser beside it.

It is evaluated over the browser's own protocol, so the page's Content-Security-Policy stands as it is.
"""

import asyncio
import json

from tests.page.browser import Tab
from tests.support.processes import ROOT

_AXE = ROOT / "build" / "page" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_SECONDS = 60.0
# Of what a narrow window scrolls out of sight no background is known; a wide one shows it. Of a page that has
# changed meanwhile nothing is told: axe asks about elements that are gone.
_RUN = """
(async () => {
    let hasChanged = false;
    const changes = new MutationObserver(() => { hasChanged = true; });
    changes.observe(document.body, {childList: true, subtree: true});
    const found = await axe.run({runOnly: %s});
    changes.disconnect();
    if (hasChanged) return null;
    const isOutOfSight = node => node.any.some(each => each.data?.messageKey == "elmPartiallyObscured");
    const told = (each, nodes) => nodes.map(node => `${each.id}: ${node.html}: ${node.failureSummary}`);
    return {
        passed: found.passes.length,
        faults: [
            ...found.violations.flatMap(each => told(each, each.nodes)),
            ...found.incomplete.flatMap(each => told(each, each.nodes.filter(node => !isOutOfSight(node)))),
        ],
    };
})()
"""


async def faults(tab: Tab) -> list[str]:
    """What axe finds on the page that is open, what it cannot tell included, once the page stands still."""
    assert _AXE.exists(), "axe is not here: make build/page/.ready"
    await tab.run(_AXE.read_text(encoding="utf-8"))
    async with asyncio.timeout(_SECONDS):
        while (told := await tab.settled(_RUN % json.dumps(_RULES))) is None:
            pass
    assert told["passed"], "axe has looked at nothing"
    found: list[str] = told["faults"]
    return found
