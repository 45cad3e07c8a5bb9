"""The page of a change: as many lines as are bounded, a way to the rest, and a word where there is none."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request

from consensus.v1 import review_service_pb2
from consensus_contract.errors import RunNotFound
from consensus_door.page.desk import Desk
from consensus_door.page.rendering import Rendering
from consensus_door.page.revisions import Revisions
from consensus_door.page.sessions import Sessions
from tests.unit.consensus_report.comparisons import comparison, revision


@dataclass
class Pages:
    """Services that have a revision, and a change of so many pages; none where its parent is gone."""

    count: int
    tokens: list[str] = field(default_factory=list)

    async def ask(self, request: Any, _credential: object) -> Any:
        if isinstance(request, review_service_pb2.GetRunRequest):
            return review_service_pb2.GetRunResponse(run=revision())
        if not self.count:
            raise RunNotFound(run_id=request.run_id_a)
        self.tokens.append(request.page_token)
        number = int(request.page_token or "0") + 1
        page = comparison()
        page.next_page_token = str(number) if number < self.count else ""
        return page


async def page(services: Any, query: bytes = b"") -> str:
    desk = Desk(services, Rendering(), Sessions(), may_act=False, page_seconds=30)
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/", "path_params": {"run_id": "r2"},
        "query_string": query, "headers": [],
    }  # fmt: skip
    return bytes((await Revisions(desk).changes(Request(scope))).body).decode()


@pytest.mark.parametrize(
    ("query", "asked", "more"),
    [(b"", ["", *map(str, range(1, 10))], True), (b"page_token=10", ["10", "11"], False)],
    ids=["the first", "the next"],
)
async def test_a_long_change_is_shown_a_part_at_a_time(query: bytes, asked: list[str], more: bool) -> None:
    services = Pages(12)
    shown = await page(services, query)
    assert services.tokens == asked
    assert ("?page_token=10" in shown) is more


async def test_where_the_parent_is_gone_the_page_says_so() -> None:
    assert "The run that it revises is gone." in await page(Pages(0))


async def test_scores_stand_beside_each_other_and_nothing_of_a_change_is_markup() -> None:
    shown = await page(Pages(1))
    assert '<td class="number">0.65</td><td class="number">0.95</td>' in shown
    assert '<span class="line removed">-<del>Old</del>' in shown
    assert "<script>alert" not in shown
    assert "\u202e" not in shown
