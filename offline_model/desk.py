"""Takes one request to the Responses API from its bytes to its answer, by the script and the counters."""

import asyncio
import time
from collections import defaultdict
from typing import Final

from aiohttp import web

from offline_model.answers import Answers, PromptCache
from offline_model.ask import Ask, BadAskError, read_ask
from offline_model.counters import CountedCall, Counters
from offline_model.delivery import CutOffError, deliver
from offline_model.responses import error_body, new_id
from offline_model.script import Rule, Script
from offline_model.spoiling import answer

_REQUEST_LIMIT: Final = 10_000
_LIMITS: Final = {
    "openai-version": "2020-10-01",
    "openai-organization": "offline-model",
    "x-ratelimit-limit-requests": str(_REQUEST_LIMIT),
    "x-ratelimit-limit-tokens": "10000000",
    "x-ratelimit-remaining-tokens": "9999000",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "6ms",
}


class Desk:
    """Answers `POST /v1/responses`; `script`, `counters` and `holds` are what `/control` works on."""

    def __init__(self, latency_seconds: float = 0.0, api_key: str | None = None) -> None:
        self.script = Script()
        self.counters = Counters()
        self._holds: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._answers = Answers()
        self._prompt_cache = PromptCache()
        self._latency_seconds = latency_seconds
        self._api_key = api_key

    def release(self, name: str) -> None:
        """Let the answers that wait on this name go, and all that come to it later."""
        self._holds[name].set()

    def reset(self) -> None:
        """Forget script and counts, and let go whatever is held."""
        self.script.clear()
        self.counters.reset()
        for hold in self._holds.values():
            hold.set()
        self._holds.clear()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Handle one `POST /v1/responses`."""
        if not self._knows(request.headers.get("authorization", "")):
            return self._refuse(401, "Incorrect API key provided.", None, "invalid_api_key")
        try:
            ask = read_ask(await request.read())
        except BadAskError as error:
            return self._refuse(400, str(error), error.param, error.code)
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(413, "The request is too large.", None, "request_too_large")
        self.counters.record(ask, request.headers)
        call = self.counters.start(ask)
        try:
            sent = await self._serve(request, ask, call)
        except (asyncio.CancelledError, ConnectionError):
            call.land("aborted")
            raise
        except CutOffError:
            call.land("cut_off")
            return web.Response()
        return sent

    async def _serve(self, request: web.Request, ask: Ask, call: CountedCall) -> web.StreamResponse:
        began = time.perf_counter()
        rule = self.script.fire(ask)
        await self._wait(rule, call)
        cached_tokens = self._prompt_cache.cached_tokens(ask.shared_prefix)
        made = answer(ask, rule, self._answers.text(ask), cached_tokens)
        call.bill(*made.billed)
        headers = {**self._headers(began), **made.headers, **rule.headers}
        sent = await deliver(request, rule, made.status, headers, made.body)
        call.land("answered", *(() if rule.spoils() else ("succeeded",)))
        return sent

    async def _wait(self, rule: Rule, call: CountedCall) -> None:
        seconds = self._latency_seconds if rule.delay_seconds is None else rule.delay_seconds
        if seconds > 0:
            await asyncio.sleep(seconds)
        if rule.hold is None:
            return
        call.count("held")
        try:
            await self._holds[rule.hold].wait()
        finally:
            call.count("held", -1)

    def _headers(self, began: float) -> dict[str, str]:
        return {
            **_LIMITS,
            "x-request-id": new_id("req"),
            "x-ratelimit-remaining-requests": str(max(0, _REQUEST_LIMIT - self.counters.in_flight)),
            "openai-processing-ms": str(int((time.perf_counter() - began) * 1000)),
        }

    def _knows(self, credential: str) -> bool:
        scheme, _, token = credential.partition(" ")
        return scheme.lower() == "bearer" and bool(token) and self._api_key in (None, token)

    def _refuse(self, status: int, message: str, param: str | None, code: str | None) -> web.Response:
        self.counters.refuse()
        body = error_body(message, param=param, code=code)
        return web.json_response(body, status=status, headers={"x-request-id": new_id("req")})
