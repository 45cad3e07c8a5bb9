"""All that the door serves, behind its gate."""

from collections.abc import Container
from importlib import metadata

from starlette.responses import PlainTextResponse
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from consensus_door.config import DoorSettings
from consensus_door.gate.body import Bodies
from consensus_door.gate.gate import Gate
from consensus_door.gate.origins import Origins
from consensus_door.metrics import DoorMetrics
from consensus_door.page.acts import Acts
from consensus_door.page.desk import Desk
from consensus_door.page.journal import JournalPage
from consensus_door.page.rendering import Rendering
from consensus_door.page.revisions import Revisions
from consensus_door.page.routes import Page
from consensus_door.page.sessions import Sessions
from consensus_door.page.watching import Watching
from consensus_door.plain.openapi import document
from consensus_door.plain.operations import operations
from consensus_door.plain.routes import plain_routes
from consensus_door.rpc.endpoints import endpoints, rpc_application
from consensus_door.services.services import Services
from consensus_rpc.server.admission import Admission

_PLAIN_GRPC = ("application/grpc;", "application/grpc+")


def door_app(settings: DoorSettings, services: Services, admission: Admission, metrics: DoorMetrics) -> Gate:
    """The gate, and behind it RPCs by their names, plain HTTP and the page."""
    offered = operations(services)
    described = document(offered, metadata.version("consensus-engine"))
    secret = settings.door_cookie_secret
    sessions = Sessions(None if secret is None else secret.get_secret_value())
    desk = Desk(
        services,
        Rendering(),
        sessions,
        may_act=not settings.door_read_only,
        page_seconds=settings.door_page_seconds,
    )
    revisions = Revisions(desk)
    page = Page(desk, offered, described, Watching(services.follow, desk.read, metrics), revisions)
    routes = [*plain_routes(offered, described), *page.routes()]
    for each in (revisions, JournalPage(desk), Acts(desk)):
        routes += each.routes()
    router = Router(routes, redirect_slashes=False, default=_not_found)
    return Gate(
        app=Doors(rpc_application(services, settings.door_max_body_bytes), endpoints(services), router),
        origins=Origins.of(settings.door_allowed_hosts, settings.door_allowed_origins),
        admission=admission,
        bodies=Bodies(settings.door_max_body_bytes, settings.door_request_seconds),
        max_header_bytes=settings.door_max_header_bytes,
        metrics=metrics,
    )


class Doors:
    """Leads a request to what serves its path."""

    def __init__(self, rpc: ASGIApp, rpc_paths: Container[str], router: ASGIApp) -> None:
        self._rpc = rpc
        self._rpc_paths = rpc_paths
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves it, and notes for the log by which route."""
        if scope["path"] not in self._rpc_paths:
            await self._router(scope, receive, send)
            return
        scope["door_route"] = scope["path"]
        if _is_plain_grpc(scope):
            text = "gRPC itself needs HTTP/2: call the service, or speak Connect or gRPC-Web\n"
            await PlainTextResponse(text, 415)(scope, receive, send)
            return
        await self._rpc(scope, receive, send)


def _is_plain_grpc(scope: Scope) -> bool:
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return f"{given.decode('latin-1').lower()};".startswith(_PLAIN_GRPC)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("there is nothing at this path; see /v1/openapi\n", 404)(scope, receive, send)
