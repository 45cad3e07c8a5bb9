"""The routes under `/control`: the script, the holds, the counters and the recorded requests, as JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from offline_model.desk import Desk
from offline_model.responses import error_body
from offline_model.script import Rule

Handler = Callable[[web.Request], Awaitable[web.Response]]

_RULES = TypeAdapter(list[Rule])
Count = Literal["started", "answered", "succeeded", "aborted", "cut_off", "held", "in_flight"]


class Filters(BaseModel):
    """Which calls are meant; an absent field means all."""

    model_config = ConfigDict(extra="forbid")
    run_id: str | None = None
    step: str | None = None
    persona: str | None = None
    attempt: int | None = None

    def given(self) -> dict[str, str | int]:
        """Return the fields that are set."""
        return self.model_dump(exclude_none=True)


class _Hold(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class _Recording(BaseModel):
    model_config = ConfigDict(extra="forbid")
    most: int = Field(ge=0)


class _Wait(BaseModel):
    model_config = ConfigDict(extra="forbid")
    filters: Filters = Filters()
    least: dict[Count, int]
    timeout_seconds: float = Field(default=10.0, gt=0, le=600)


class Control:
    """Handlers of the control routes of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/control/script", _checked(self._add_rules)),
            web.get("/control/script", self._show_rules),
            web.post("/control/release", _checked(self._release)),
            web.post("/control/reset", self._reset),
            web.get("/control/counters", _checked(self._show_counters)),
            web.post("/control/wait", _checked(self._wait)),
            web.post("/control/recording", _checked(self._set_recording)),
            web.get("/control/requests", self._show_requests),
        ]

    async def _add_rules(self, request: web.Request) -> web.Response:
        self._desk.script.add(_RULES.validate_json(await request.read()))
        return _done()

    async def _show_rules(self, _: web.Request) -> web.Response:
        return web.json_response({"rules": self._desk.script.listing()})

    async def _release(self, request: web.Request) -> web.Response:
        self._desk.release(_Hold.model_validate_json(await request.read()).name)
        return _done()

    async def _reset(self, _: web.Request) -> web.Response:
        self._desk.reset()
        return _done()

    async def _show_counters(self, request: web.Request) -> web.Response:
        return web.json_response(
            self._desk.counters.snapshot(Filters.model_validate(dict(request.query)).given())
        )

    async def _wait(self, request: web.Request) -> web.Response:
        wanted = _Wait.model_validate_json(await request.read())
        filters = wanted.filters.given()
        least = {str(name): count for name, count in wanted.least.items()}
        try:
            async with asyncio.timeout(wanted.timeout_seconds):
                await self._desk.counters.wait(filters, least)
        except TimeoutError:
            return web.json_response(self._desk.counters.snapshot(filters), status=408)
        return web.json_response(self._desk.counters.snapshot(filters))

    async def _set_recording(self, request: web.Request) -> web.Response:
        self._desk.counters.keep_requests(_Recording.model_validate_json(await request.read()).most)
        return _done()

    async def _show_requests(self, _: web.Request) -> web.Response:
        return web.json_response({"requests": self._desk.counters.requests()})


def _checked(handler: Handler) -> Handler:
    """Answer a malformed control request with 400 and what is wrong with it."""

    async def guarded(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ValidationError as error:
            return web.json_response(error_body(str(error)), status=400)

    return guarded


def _done() -> web.Response:
    return web.json_response({"ok": True})
