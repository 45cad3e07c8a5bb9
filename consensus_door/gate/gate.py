"""The gate: the first that sees a request, and the last that sees its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from opentelemetry import trace
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import clear_contextvars

from consensus_contract.errors import ConsensusError
from consensus_door.gate.body import Bodies, CallerLeft
from consensus_door.gate.cors import CORS_HEADERS, preflight
from consensus_door.gate.origins import Origins
from consensus_door.metrics import METHODS, DoorMetrics
from consensus_door.problems import late_request, problem
from consensus_rpc.errors import CallDeadlineExceeded
from consensus_rpc.server.admission import Admission
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import bind_request_id, get_logger
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, accepted_request_id
from consensus_rpc.telemetry.tracing import caller_context

_log = get_logger()
_tracer = trace.get_tracer("consensus_door")

_MOST_HEADERS = 100
_ONCE = frozenset({"authorization", "content-length", "content-type", "cookie", "host", "origin"})
_SERVER_FAULT = 500
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    # With `no-referrer` browsers would name no origin with the page's own forms either.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_UNCACHED = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets requests in to `app` that may come in and that there is room for; answers all others itself."""

    app: ASGIApp
    origins: Origins
    admission: Admission
    bodies: Bodies
    max_header_bytes: int
    metrics: DoorMetrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; uvicorn runs each in a task of its own."""
        if scope["type"] != "http":
            return
        clear_contextvars()
        headers = _headers(scope)
        request_id = accepted_request_id(headers.get(REQUEST_ID_KEY))
        bind_request_id(request_id)
        answer = _Answer(send, request_id, self._cors(headers))
        span = _tracer.start_span(
            f"HTTP {scope['method']}", context=caller_context(headers), kind=trace.SpanKind.SERVER
        )
        begin = monotonic()
        with trace.use_span(span, end_on_exit=True), self.metrics.in_flight("requests_in_flight"):
            try:
                await self._serve(scope, headers, receive, answer)
            except CallerLeft:
                pass
            except Exception as error:  # noqa: BLE001 - whatever it is, the connection's task ends here
                _log.error("request_failed_unexpectedly", trace=fault_trace(error))
                await answer.fail()
            finally:
                span.set_attribute("http.response.status_code", answer.status)
                self._report(scope, answer.status, monotonic() - begin)

    async def _serve(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, answer: "_Answer"
    ) -> None:
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            reason, said = refusal
            self.metrics.refused(reason)
            await _closing(said)(scope, receive, answer)
            return
        if scope["method"] == "OPTIONS":
            await preflight(headers)(scope, receive, answer)
            return
        try:
            with self.metrics.refusals("overload"):
                self.admission.enter()
        except ConsensusError as error:
            await _closing(problem(error, status=503))(scope, receive, answer)
            return
        try:
            await self._with_body(scope, headers, receive, answer)
        finally:
            self.admission.leave()

    async def _with_body(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, answer: "_Answer"
    ) -> None:
        announced = headers.get("content-length", "")
        try:
            with self.metrics.refusals("bodies"):
                body = await self.bodies.read(receive, int(announced) if announced.isdecimal() else None)
        except CallDeadlineExceeded as error:
            await _closing(late_request(error))(scope, receive, answer)
            return
        except ConsensusError as error:
            await _closing(problem(error))(scope, receive, answer)
            return
        try:
            await self.app(scope, _replaying(body, receive), answer)
        finally:
            self.bodies.release(len(body))

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[str, Response] | None:
        """Why something must not come in, in a word, and the answer for it."""
        if len(scope["headers"]) > _MOST_HEADERS or _size(scope) > self.max_header_bytes:
            return "headers", PlainTextResponse("the headers are too large\n", 431)
        names = [name for name, _ in scope["headers"]]
        if any(names.count(each.encode()) > 1 for each in _ONCE):
            return "headers", PlainTextResponse("a header stands twice that may stand once\n", 400)
        if not self.origins.allows_host(headers.get("host", "")):
            return "host", PlainTextResponse("this host is not served here: see DOOR_ALLOWED_HOSTS\n", 421)
        if scope["method"] not in METHODS:
            return "method", PlainTextResponse("no such method\n", 405, {"allow": ", ".join(sorted(METHODS))})
        if not self.origins.allows_origin(headers, scope["method"]):
            said = "pages of this origin may not call: see DOOR_ALLOWED_ORIGINS\n"
            return "origin", PlainTextResponse(said, 403)
        return None

    def _cors(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        origin = headers.get("origin", "")
        if not self.origins.others:
            return []
        vary = [(b"vary", b"Origin")]
        if not self.origins.is_other(origin):
            return vary
        return [*vary, (b"access-control-allow-origin", origin.encode("latin-1")), *CORS_HEADERS]

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self.metrics.finished(route, scope["method"], status, seconds)
        report = _log.error if status == _SERVER_FAULT else _log.info
        report(
            "http_finished",
            method=scope["method"] if scope["method"] in METHODS else "",
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
        )


class _Answer:
    """The way back: adds what every answer carries, and knows how far it came."""

    __slots__ = ("_more", "_send", "status")

    def __init__(self, send: Send, request_id: str, cors: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._more = [(REQUEST_ID_KEY.encode(), request_id.encode()), *_ALWAYS, *cors]
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            names = {name.lower() for name, _ in own}
            more = [each for each in self._more if each[0] not in names]
            if b"cache-control" not in names:
                more.append(_UNCACHED)
            message = {**message, "headers": [*own, *more]}
        await self._send(message)

    async def fail(self) -> None:
        """Says that something went wrong here; where something was said already, uvicorn cuts it off."""
        if self.status:
            return
        await PlainTextResponse("an unexpected failure; see the log\n", _SERVER_FAULT)(
            {"type": "http"}, _nothing, self
        )


def _route(scope: Scope) -> str:
    """By which it was served; empty where none was found."""
    found: str = scope["door_route"] if "door_route" in scope else getattr(scope.get("route"), "path", "")
    return found


def _headers(scope: Scope) -> dict[str, str]:
    """By name in lower case; of a name that stands twice the first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def _size(scope: Scope) -> int:
    line = len(scope["raw_path"]) + len(scope["query_string"])
    return line + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


def _closing(response: Response) -> Response:
    """What the caller still sends of a request that is answered is not read: the connection ends."""
    response.headers["connection"] = "close"
    return response


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, and then what comes behind it, which is the end of the connection."""
    waiting = True

    async def replay() -> Message:
        nonlocal waiting
        if waiting:
            waiting = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
