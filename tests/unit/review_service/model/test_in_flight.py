"""What a call holds while its answer is waited for, and what becomes of its connection afterwards."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Coroutine
from types import CoroutineType

import httpx2

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model.client import ModelClient, ModelOptions
from tests.support.engine import model_call
from tests.support.loopback import listening

IN_FLIGHT = 20
GONE = (
    "AsyncAPIClient.post", "AsyncOpenAI._send_request", "FinalRequestOptions", "httpx2.Request",
    "ClientSession._request", "ClientRequest", "SentOnce",
)  # fmt: skip
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


async def test_a_call_that_waits_holds_nothing_of_the_library_or_the_session(
    model: ModelClient, control: ControlClient
) -> None:
    await control.script(Rule(hold="for ever", times=IN_FLIGHT))
    before = living()
    calls = [asyncio.create_task(model.call(model_call(), 60)) for _ in range(IN_FLIGHT)]
    await control.wait({"held": IN_FLIGHT})

    more = living() - before

    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert more["ModelClient.call"] == IN_FLIGHT  # the count sees what is under way
    assert {name: more[name] for name in GONE if more[name]} == {}


async def test_calls_one_after_the_other_share_a_connection() -> None:
    connections, answered = await talked(twice)

    assert (connections, answered) == (1, 2)


async def test_a_connection_whose_answer_was_not_waited_for_is_not_used_again() -> None:
    async def leave(model: ModelClient) -> None:
        await model.call(model_call(), 0.05)
        await model.call(model_call(), 0.05)

    connections, answered = await talked(leave, answers=False)

    assert (connections, answered) == (2, 0)


async def twice(model: ModelClient) -> None:
    await model.call(model_call(), 5)
    await model.call(model_call(), 5)


async def talked(
    talk: Callable[[ModelClient], Coroutine[None, None, None]], *, answers: bool = True
) -> tuple[int, int]:
    """Connections made to a server, and requests answered by it, while something is done with a client."""
    counted: Counter[str] = Counter()
    ended = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted["connections"] += 1
        while head := await head_of(reader):
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            if answers:
                counted["answered"] += 1
                writer.write(ANSWER)
        ended.release()

    async with listening(serve) as port:
        model = ModelClient(ModelOptions(api_key="sk-offline", base_url=f"http://127.0.0.1:{port}/v1"))
        await talk(model)
        await model.aclose()
        for _ in range(counted["connections"]):
            await ended.acquire()
    return counted["connections"], counted["answered"]


async def head_of(reader: asyncio.StreamReader) -> bytes:
    """A request's head, nothing once the connection has ended."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


def living() -> Counter[str]:
    """Objects by the name of their type, coroutines by their own; the offline model has a Request too."""
    return Counter(_name(each) for each in gc.get_objects())


def _name(each: object) -> str:
    if isinstance(each, httpx2.Request):
        return "httpx2.Request"
    return each.__qualname__ if isinstance(each, CoroutineType) else type(each).__qualname__
