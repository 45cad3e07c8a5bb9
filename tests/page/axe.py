"""axe, which judges a page by rules of accessibility, run in the browser beside it.

It is evaluated over the browser's own protocol, so the page's Content-Security-Policy stands as it is.
"""

import json
from typing import Any

from tests.page.browser import Tab
from tests.support.processes import ROOT

_AXE = ROOT / "build" / "page" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# Of what a narrow window scrolls out of sight no background is known; a wide one shows it.
_RUN = """
axe.run({runOnly: %s}).then(found => {
    const isOutOfSight = node => node.any.some(each => each.data?.messageKey == "elmPartiallyObscured");
    const told = (each, nodes) => nodes.map(node => `${each.id}: ${node.html}: ${node.failureSummary}`);
    return {
        passed: found.passes.length,
        faults: [
            ...found.violations.flatMap(each => told(each, each.nodes)),
            ...found.incomplete.flatMap(each => told(each, each.nodes.filter(node => !isOutOfSight(node)))),
        ],
    };
})
"""


async def faults(tab: Tab) -> list[str]:
    """What axe finds on the page that is open, what it cannot tell included."""
    assert _AXE.exists(), "axe is not here: make build/page/.ready"
    await tab.run(_AXE.read_text(encoding="utf-8"))
    told: dict[str, Any] = await tab.settled(_RUN % json.dumps(_RULES))
    assert told["passed"], "axe has looked at nothing"
    found: list[str] = told["faults"]
    return found
