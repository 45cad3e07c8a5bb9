"""What the page offers, and how what is watched there ends."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from consensus.v1 import review_service_pb2
from consensus_contract.errors import ConsensusError, RunNotFound
from consensus_door.metrics import DoorMetrics
from consensus_door.page.desk import Desk
from consensus_door.page.rendering import Rendering
from consensus_door.page.revisions import Revisions
from consensus_door.page.routes import Page
from consensus_door.page.sessions import Sessions
from consensus_door.page.watching import Watching
from consensus_door.services.calling import Credential
from consensus_rpc.errors import CredentialEnded, ServerUnreachable, Unauthenticated

NOBODY: Any = None  # but for their streams no services are asked


def page(error: ConsensusError, *, may_act: bool = True) -> Page:
    """One before services that end each stream so."""
    desk = Desk(NOBODY, Rendering(), Sessions(), may_act, page_seconds=30)

    async def follow(_: review_service_pb2.WatchRunRequest, __: Credential) -> AsyncGenerator[Any]:
        for each in (error,):
            raise each
        yield

    watching = Watching(follow, desk.read, DoorMetrics(CollectorRegistry()))
    return Page(desk, [], {}, watching, Revisions(desk))


async def live(error: ConsensusError) -> str:
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [],
        "query_string": b"",
        "path_params": {"run_id": "1"},
    }
    answer: Any = await page(error).live(Request(scope))
    return "".join([each async for each in answer.body_iterator])


@pytest.mark.parametrize(
    "error",
    [Unauthenticated(), CredentialEnded(), RunNotFound(run_id="1")],
    ids=lambda error: error.reason_name,
)
async def test_a_run_that_cannot_be_followed_on_says_so_and_is_asked_for_no_more(
    error: ConsensusError,
) -> None:
    told = await live(error)
    assert error.reason_name in told
    assert 'href="/runs/1"' in told
    assert "\nid: " not in told
    assert told.endswith("event: end\ndata: over\n\n")


async def test_while_a_service_is_away_an_open_page_asks_seldom() -> None:
    told = await live(ServerUnreachable("away"))
    assert "retry: 3000\n" in told
    assert "event: end" not in told


def test_where_nothing_may_be_changed_there_is_no_form_to_start_a_review() -> None:
    offered = [
        {route.path for route in page(RunNotFound(run_id="1"), may_act=each).routes()}
        for each in (True, False)
    ]
    assert offered[0] - offered[1] == {"/runs/new"}
