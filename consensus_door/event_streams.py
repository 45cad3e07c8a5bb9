"""How a stream of server-sent events is answered with."""

from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

MEDIA_TYPE = "text/event-stream"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def event_stream(request: Request, frames: AsyncGenerator[Any]) -> Response:
    """These frames. Who asks for the head alone (HEAD) would take a stream's place, and see nothing of it."""
    if request.method == "HEAD":
        await frames.aclose()
        return Response(None, headers=_HEADERS, media_type=MEDIA_TYPE)
    return StreamingResponse(frames, headers=_HEADERS, media_type=MEDIA_TYPE)
