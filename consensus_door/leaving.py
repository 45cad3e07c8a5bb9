"""What is waited for in a caller's name ends with its caller."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from consensus_door.metrics import CALLER_LEFT

Handler = Callable[[Request], Awaitable[Response]]


async def while_there(request: Request, handler: Handler) -> Response:
    """The handler's answer; where the caller leaves before, one that the log alone is told of.

    Else what is waited for would keep its place for minutes after its caller is gone.
    """
    await request.body()  # held already; behind it only the end of the connection comes
    handling = asyncio.ensure_future(handler(request))
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({handling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return handling.result() if handling.done() else Response(status_code=CALLER_LEFT)
    finally:
        for task in (handling, leaving):
            task.cancel()
        await asyncio.gather(handling, leaving, return_exceptions=True)
