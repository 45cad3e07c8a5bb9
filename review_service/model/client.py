"""The client of the model: the OpenAI Responses API, or any server that speaks it.

The only module that imports `openai`, whose own retries are off: each call here is one attempt. The request
goes through the client's generic `post` as bytes, and is sent, and its answer read, outside of the library:
that keeps its authentication and headers, spares its transformation of parameters and its response objects,
and is the only way to bound what an answer takes, and to keep usage, status and headers of an incomplete one.
Whatever comes is a value. No exception of a library leaves this room, since those hold requests.
"""

import asyncio
import functools
import random
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import cast

import httpx2
import openai
from pydantic_core import to_json

from consensus.v1 import errors_pb2
from consensus_rpc.telemetry.log import get_logger
from review_service.model.envelope import read_envelope
from review_service.model.faults import failure_of_status
from review_service.model.http import BodyCaps, Received, SentOnce, SingleExchange, UnsentRequests
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer, ModelCall
from review_service.model.provider_error import ProviderError, plain, read_error
from review_service.model.retry_after import retry_after_seconds
from review_service.model.route_address import library_base, responses_url
from review_service.model.start_limiter import StartLimiter
from review_service.model.telemetry import Observation
from review_service.model.unanswered import Unanswered

_log = get_logger()

# What the library tells of this machine and of its own retries: nobody here reads it, and its headers are a
# tenth of a call's cost.
_NO_TELEMETRY = {
    f"X-Stainless-{name}": openai.Omit()
    for name in ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
}
_OPTIONS: openai.RequestOptions = {
    "headers": {"x-stainless-retry-count": openai.Omit(), "x-stainless-read-timeout": openai.Omit()},
    # What the library would else make anew for each call.
    "security": {"bearer_auth": True},
    "params": {},
    "timeout": None,
    "max_retries": 0,
    "idempotency_key": "",
}

# Calls that begin, and answers that are taken up: about 20 ms of work.
_CALLS_PER_TURN = 64

# How long a call waits before it asks again for what this machine is short of; doubled up to the last.
_FIRST_SHORTAGE_SECONDS = 0.1
_LAST_SHORTAGE_SECONDS = 2.0
_SHORTAGE_LOG_SECONDS = 10.0

_MASK = b"[key]"

_NO_KEY = CallFailure(
    CallReport(),
    errors_pb2.ERROR_REASON_LLM_AUTHENTICATION,
    "No call was made: the service has no key for the model's provider (OPENAI_API_KEY).",
    cause="no_key",
    is_setting=True,
)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Where the model is, how many calls to it may be open, and how long an answer may be.

    `base_url` None: the provider's own.
    """

    api_key: str | None
    base_url: str | None = None
    max_calls_in_flight: int = 10_000
    max_answer_bytes: int = 4_194_304


class ModelClient:
    """Calls the model; without a key, no call is ever made.

    One per process, made inside its event loop: it keeps the connections.
    """

    __slots__ = ("_client", "_exchange", "_options", "_shortage_logged", "_starts", "_url")

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._client = _open(options) if options.api_key else None
        self._exchange = SingleExchange(
            max_connections=options.max_calls_in_flight, caps=BodyCaps(answer=options.max_answer_bytes)
        )
        self._starts = StartLimiter(_CALLS_PER_TURN)
        self._shortage_logged = float("-inf")
        # Whole, so that it need not be joined for each call.
        self._url = responses_url(options.base_url or str(self._client.base_url)) if self._client else ""

    async def call(self, call: ModelCall, timeout_seconds: float) -> ModelAnswer | CallFailure:
        """Makes one attempt: the model's text, or why there is none.

        `timeout_seconds` bounds all of it once its turn has come, however slowly bytes trickle in. Cancelling
        closes the connection. While this machine is short of what a connection takes, the call waits.
        """
        if self._client is None:
            return _NO_KEY
        await self._starts.turn()
        with Observation(call) as observation:
            answer: Received | Unanswered | None = None
            try:
                async with asyncio.timeout(timeout_seconds) as limit:
                    answer = await self._exchange.send(await self._request(call, observation))
                    if isinstance(answer, Unanswered) and answer.is_local:
                        shortage, answer = answer, None
                        answer = await self._sent_later(call, shortage, observation, limit.when() or 0.0)
            except TimeoutError:
                pass  # there is no answer
            if isinstance(answer, Received):
                await self._starts.turn()
            observation.outcome = self._outcome(answer, observation)
            return observation.outcome

    async def _sent_later(
        self, call: ModelCall, shortage: Unanswered, observation: Observation, deadline: float
    ) -> Received | Unanswered:
        """Sends a call once others have given back what is short, or returns the shortage in time."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_SHORTAGE_SECONDS
        while loop.time() + pause < deadline:
            self._log_shortage(shortage, loop.time())
            await asyncio.sleep(pause * random.uniform(0.75, 1.0))  # noqa: S311 - spreads calls, no secret
            pause = min(2 * pause, _LAST_SHORTAGE_SECONDS)
            observation.begin_again()
            answer = await self._exchange.send(await self._request(call, observation))
            if isinstance(answer, Received) or not answer.is_local:
                return answer
        return shortage

    def _log_shortage(self, shortage: Unanswered, now: float) -> None:
        """Says so now and then, not once per call."""
        if now - self._shortage_logged >= _SHORTAGE_LOG_SECONDS:
            self._shortage_logged = now
            _log.warning("local_shortage", detail=shortage.detail)

    async def _request(self, call: ModelCall, observation: Observation) -> httpx2.Request:
        """The request as the library makes it, with key and headers."""
        assert self._client is not None
        content = SentOnce(functools.partial(_body, call), observation.sending)
        draft = await self._client.post(self._url, cast_to=httpx2.Response, content=content, options=_OPTIONS)
        return draft.request

    def _outcome(
        self, answer: Received | Unanswered | None, observation: Observation
    ) -> ModelAnswer | CallFailure:
        """What came of it, without the key, should the provider have repeated it."""
        if answer is None:
            return _timeout(observation)
        if isinstance(answer, Unanswered):
            return _unreachable(answer, observation)
        key = self._options.api_key or ""
        return _masked(
            _read(replace(answer, body=answer.body.replace(key.encode(), _MASK)), observation), key
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._client is not None:
            await self._client.close()
            await self._exchange.aclose()


def _open(options: ModelOptions) -> openai.AsyncOpenAI:
    """The library's client, as far as it is needed: requests, and errors of answers."""
    return openai.AsyncOpenAI(
        api_key=options.api_key,
        base_url=library_base(options.base_url),
        max_retries=0,
        default_headers=cast("dict[str, str]", _NO_TELEMETRY),  # its types do not know that it takes Omit
        http_client=UnsentRequests(),
    )


def _body(call: ModelCall) -> bytes:
    """The request as the Responses API takes it."""
    metadata = {"run_id": call.run_id, "step": call.step, "attempt": str(call.attempt_number)}
    if call.persona_id:
        metadata["persona"] = call.persona_id
    body = {
        "model": call.model,
        "instructions": call.instructions,
        "input": [{"role": "user", "content": message} for message in call.messages],
        "text": {
            "format": {
                "type": "json_schema",
                "name": call.output.name,
                "strict": True,
                "schema": call.output.schema,
            }
        },
        "max_output_tokens": call.max_output_tokens,
        "store": False,
        "prompt_cache_key": call.run_id,
        "metadata": metadata,
    }
    if call.temperature is not None:
        body["temperature"] = call.temperature
    return to_json(body)


def _read(answer: Received, observation: Observation) -> ModelAnswer | CallFailure:
    """The model's text, or what an answer says of why there is none."""
    report = CallReport(
        latency_seconds=observation.seconds(),
        http_status=answer.status,
        provider_request_id=plain(answer.headers.get("x-request-id")),
    )
    content_type = answer.headers.get("content-type", "")
    if not answer.is_success:
        is_page = "html" in content_type.lower() or "cf-mitigated" in answer.headers
        outcome: ModelAnswer | CallFailure = failure_of_status(
            report, read_error(answer.body), is_page=is_page
        )
    elif answer.is_cut:
        outcome = _too_long(report, answer)
    else:
        outcome = read_envelope(answer.body, report, content_type)
    if isinstance(outcome, ModelAnswer):
        return outcome
    return replace(outcome, retry_after_seconds=retry_after_seconds(answer.headers, datetime.now(UTC)))


def _too_long(report: CallReport, answer: Received) -> CallFailure:
    message = f"The provider's answer is longer than {len(answer.body)} bytes, and was not read."
    return CallFailure(
        report,
        errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
        message,
        raw_output=answer.body.decode("utf-8", "replace"),
        cause="too_long",
    )


def _unreachable(answer: Unanswered, observation: Observation) -> CallFailure:
    return CallFailure(
        CallReport(latency_seconds=None if answer.is_local else observation.seconds()),
        errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
        answer.message,
        provider=ProviderError(message=answer.detail),
        cause=answer.cause,
        is_local=answer.is_local,
    )


def _timeout(observation: Observation) -> CallFailure:
    """The end of the attempt's time: before an answer, or before the request could leave."""
    seconds = observation.seconds()
    if not observation.is_sent:
        message = (
            f"The call could not be sent within {seconds:.1f} s: no connection was free, or none came about."
        )
        return CallFailure(CallReport(), errors_pb2.ERROR_REASON_LLM_TIMEOUT, message, cause="not_sent")
    message = f"The model did not answer within {seconds:.1f} s."
    report = CallReport(latency_seconds=seconds)
    return CallFailure(report, errors_pb2.ERROR_REASON_LLM_TIMEOUT, message)


def _masked(outcome: ModelAnswer | CallFailure, key: str) -> ModelAnswer | CallFailure:
    """The outcome with the key taken out of what was read: escapes or a header may have spelt it."""
    mask = _MASK.decode()
    report = replace(
        outcome.report,
        provider_request_id=outcome.report.provider_request_id.replace(key, mask),
        answered_model=outcome.report.answered_model.replace(key, mask),
    )
    if isinstance(outcome, ModelAnswer):
        return replace(outcome, report=report)
    return replace(
        outcome,
        report=report,
        message=outcome.message.replace(key, mask),
        raw_output=outcome.raw_output.replace(key, mask),
        provider=ProviderError(*(each.replace(key, mask) for each in astuple(outcome.provider))),
    )
