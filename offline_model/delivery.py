"""How an answer reaches the client, or fails to: whole, dribbled, cut off, reset."""

import asyncio
import socket
import struct
from collections.abc import Mapping

from aiohttp import web

from offline_model.script import Rule

_TRICKLE_PIECES = 20
# SO_LINGER with a time of 0 makes closing send RST in place of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class CutOffError(Exception):
    """The script closed the connection; there is nothing left to answer on it."""


async def deliver(
    request: web.Request, rule: Rule, status: int, headers: Mapping[str, str], body: bytes
) -> web.StreamResponse:
    """Send an answer as the rule has it.

    Raises:
        CutOffError: the rule closed the connection.
    """
    if rule.cut_off == "before_headers":
        close(request)
        raise CutOffError
    if rule.cut_off == "reset":
        _reset(request)
        raise CutOffError
    if rule.cut_off is None and rule.trickle_seconds is None:
        return web.Response(status=status, headers=headers, body=body)
    answer = web.StreamResponse(status=status, headers={**headers, "content-length": str(len(body))})
    await answer.prepare(request)
    if rule.cut_off is not None:
        await answer.write(body[: rule.cut_off])
        close(request)
        raise CutOffError
    await _trickle(answer, body, rule.trickle_seconds or 0.0)
    await answer.write_eof()
    return answer


def close(request: web.Request) -> None:
    """Close the connection once what was written is sent."""
    if request.transport is not None:
        request.transport.close()


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


async def _trickle(answer: web.StreamResponse, body: bytes, seconds: float) -> None:
    size = max(1, -(-len(body) // _TRICKLE_PIECES))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    for piece in pieces:
        await asyncio.sleep(seconds / len(pieces))
        await answer.write(piece)
