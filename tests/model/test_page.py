"""The table of servers in docs/models.md says of each stand-in what comes of it."""

from pathlib import Path

import pytest

from tests.model.servers import PAGE, STAND_INS, outcomes


@pytest.mark.timeout(300)
async def test_the_page_says_what_comes_of_each_stand_in(tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    assert [row for row in await outcomes(STAND_INS, tmp_path) if row not in page] == []
