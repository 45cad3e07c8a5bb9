"""How the stream of a page ends: what asking again mends is asked for later, what it does not is said."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import StreamingResponse

from consensus.v1 import run_pb2
from consensus_contract.errors import ConsensusError, RunNotFound
from consensus_door.metrics import DoorMetrics
from consensus_door.page.desk import Desk
from consensus_door.page.rendering import Rendering
from consensus_door.page.revisions import Revisions
from consensus_door.page.routes import Page
from consensus_door.page.sessions import Sessions
from consensus_door.page.watching import Watching
from consensus_door.services.calling import Credential
from consensus_rpc.errors import CredentialEnded, ServerUnreachable, ShuttingDown

END = "event: end\ndata: over\n\n"


async def streamed(error: ConsensusError) -> str:
    """What a page is sent of a run that cannot be followed."""

    async def follow(_request: Any, _credential: Credential) -> AsyncGenerator[Any]:
        for _ in range(1):
            raise error
        yield  # so that it is a stream

    async def read(_run_id: str, _credential: Credential) -> run_pb2.Run:
        raise AssertionError

    services: Any = None  # asked for nothing
    desk = Desk(services, Rendering(), Sessions(), may_act=True)
    watching = Watching(follow, read, DoorMetrics(CollectorRegistry()))
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/", "path_params": {"run_id": "run-1"},
        "query_string": b"", "headers": [],
    }  # fmt: skip
    answer = await Page(desk, (), {}, watching, Revisions(desk)).live(Request(scope))
    assert isinstance(answer, StreamingResponse)
    return "".join([str(each) async for each in answer.body_iterator])


@pytest.mark.parametrize(
    "error", [ServerUnreachable("refused"), ShuttingDown()], ids=lambda each: type(each).__name__
)
async def test_a_page_that_was_cut_asks_again_after_seconds(error: ConsensusError) -> None:
    assert await streamed(error) == "event: cut\nretry: 3000\ndata: later\n\n"


@pytest.mark.parametrize(
    "error", [RunNotFound(run_id="<b>"), CredentialEnded()], ids=lambda each: type(each).__name__
)
async def test_what_asking_again_does_not_mend_is_said_and_asked_for_no_more(error: ConsensusError) -> None:
    said = await streamed(error)
    assert said.startswith("data: <h1>")
    assert error.reason_name in said
    assert "<b>" not in said
    assert said.endswith(f"\n\n{END}")
