"""The HTTP server: the Responses API under /v1, the fault script under /control."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from offline_model.control import Control
from offline_model.desk import Desk
from offline_model.responses import error_body

_MAX_BODY_BYTES = 8 * 2**20
_BACKLOG = 4_096
_KEEPALIVE_SECONDS = 75.0
_GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class OfflineModel:
    """A listening server; `desk` is its state, for tests in the same process."""

    host: str
    port: int
    desk: Desk

    @property
    def base_url(self) -> str:
        """Return what belongs into OPENAI_BASE_URL."""
        return f"{self.control_url}/v1"

    @property
    def control_url(self) -> str:
        """Return the address without a path, for ControlClient."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        latency_seconds: float = 0.0,
        api_key: str | None = None,
    ) -> AsyncIterator["OfflineModel"]:
        """Serve until the block ends; port 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        desk = Desk(latency_seconds, api_key)
        # Without handler cancellation a client that hangs up would go unnoticed until the answer is written.
        runner = web.AppRunner(
            _app(desk),
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=_GRACE_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
            yield cls(host, int(runner.addresses[0][1]), desk)
        finally:
            desk.reset()
            await runner.cleanup()


def _app(desk: Desk) -> web.Application:
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.add_routes([web.post("/v1/responses", desk.respond), web.get("/healthz", _health)])
    app.add_routes(Control(desk).routes())
    app.add_routes([web.route("*", "/{path:.*}", _unknown)])
    return app


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _unknown(request: web.Request) -> web.Response:
    message = f"Invalid URL ({request.method} {request.path})"
    return web.json_response(error_body(message, code="unknown_url"), status=404)
