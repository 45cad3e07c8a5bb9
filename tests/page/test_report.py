"""The report as a file in a real Chromium: nothing is wider than the page but what scrolls by itself."""

from pathlib import Path

import pytest

from consensus_cli.report.html import html_report
from tests.page.browser import Tab
from tests.unit.consensus_report.comparisons import comparison, revision

FITS = "document.documentElement.scrollWidth <= innerWidth"
WIDER = """[...document.querySelectorAll('.scroll')].filter(each => each.scrollWidth > each.clientWidth)
    .map(each => each.getAttribute('aria-label'))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pixels", [1280, 400])
async def test_no_table_of_a_report_is_wider_than_a_desk_or_a_phone(
    tab: Tab, tmp_path: Path, pixels: int, scheme: str
) -> None:
    await tab.look(pixels, scheme)
    file = tmp_path / "report.html"
    file.write_text(html_report(revision(), [], comparison()), encoding="utf-8")
    await tab.open(file.as_uri())
    await tab.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert await tab.run(FITS)
    assert await tab.run(WIDER) == ([] if pixels == 1280 else ["Personas"])  # six columns, two of them words
    assert tab.complaints == []
