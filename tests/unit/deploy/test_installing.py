"""Pages that install from a checkout name both packages: the client is on no public index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))]
_OF_CHECKOUT = re.compile(r"pip install (?=.*\./packages/client|.*(?:\.|'\.\[[a-z,]+\]')(?:\s|$)).*")


@pytest.mark.parametrize("page", PAGES)
def test_whoever_installs_the_servers_from_a_checkout_names_the_client_too(page: str) -> None:
    commands = _OF_CHECKOUT.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [each for each in commands if "./packages/client" not in each] == []


def test_there_are_such_pages() -> None:
    found = {page for page in PAGES if _OF_CHECKOUT.search((ROOT / page).read_text(encoding="utf-8"))}
    assert {"README.md", "docs/deploying.md", "docs/door.md"} <= found
