"""A door before a pair, as its own tests have them, and a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.conftest import idea, mark
from tests.integration.door.conftest import door, door_pair
from tests.page.browser import Tab, browsing

__all__ = ["door", "door_pair", "idea", "mark"]


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with browsing(tmp_path / "browser") as opened:
        yield opened
