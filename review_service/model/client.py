"""The client of the model: the OpenAI Responses API, or any server that speaks it.

The only module that imports `openai`, whose own retries are off: each call here is one attempt. The request
goes through the client's generic `post` as bytes, and the answer comes back raw: that keeps authentication,
headers and errors of the library, spares its transformation of parameters and its response objects, and is
the only way to keep usage, status and headers of an answer that is incomplete.
"""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import httpx2
import openai
from pydantic_core import to_json

from consensus.v1 import errors_pb2
from review_service.model.envelope import read_envelope
from review_service.model.faults import failure_of_status, plain
from review_service.model.http import Answered, SentOnce, SingleExchange, UnsentRequests
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer, ModelCall
from review_service.model.retry_after import retry_after_seconds
from review_service.model.start_limiter import StartLimiter
from review_service.model.telemetry import Observation

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

_NO_KEY = CallFailure(
    CallReport(),
    errors_pb2.ERROR_REASON_LLM_AUTHENTICATION,
    "No call was made: the service has no key for the model's provider (OPENAI_API_KEY).",
)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Where the model is, and how many calls to it may be open. `base_url` None: the provider's own."""

    api_key: str | None
    base_url: str | None = None
    max_calls_in_flight: int = 10_000


class ModelClient:
    """Calls the model; without a key, no call is ever made.

    One per process, made inside its event loop: it keeps the connections.
    """

    __slots__ = ("_client", "_exchange", "_starts", "_url")

    def __init__(self, options: ModelOptions) -> None:
        self._client = _open(options) if options.api_key else None
        self._exchange = SingleExchange(max_connections=options.max_calls_in_flight)
        self._starts = StartLimiter(_CALLS_PER_TURN)
        # Whole, so that it need not be joined for each call.
        self._url = str(self._client.base_url.join("responses")) if self._client else ""

    async def call(self, call: ModelCall, timeout_seconds: float) -> ModelAnswer | CallFailure:
        """Makes one attempt: the model's text, or why there is none.

        `timeout_seconds` bounds all of it once its turn has come, however slowly bytes trickle in. Cancelling
        closes the connection.
        """
        if self._client is None:
            return _NO_KEY
        await self._starts.turn()
        with Observation(call) as observation:
            try:
                async with asyncio.timeout(timeout_seconds):
                    response = await self._exchange.send(await self._request(call))
                if not response.is_success:
                    await self._post(Answered(response))
            except (TimeoutError, httpx2.RequestError, openai.OpenAIError) as error:
                observation.outcome = _failure(error, observation)
            else:
                report = _report(observation, response)
                await self._starts.turn()
                observation.outcome = read_envelope(response.content, report)
            return observation.outcome

    async def _request(self, call: ModelCall) -> httpx2.Request:
        """The request as the library makes it, with key and headers."""
        return (await self._post(SentOnce(functools.partial(_body, call)))).request

    async def _post(self, content: SentOnce | Answered) -> httpx2.Response:
        """Has the library do its part.

        Raises:
            openai.APIStatusError: the content's answer is no success.
        """
        assert self._client is not None
        return await self._client.post(self._url, cast_to=httpx2.Response, content=content, options=_OPTIONS)

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._client is not None:
            await self._client.close()
            await self._exchange.aclose()


def _open(options: ModelOptions) -> openai.AsyncOpenAI:
    """The library's client, as far as it is needed: requests, and errors of answers."""
    return openai.AsyncOpenAI(
        api_key=options.api_key,
        base_url=options.base_url,
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


def _report(observation: Observation, response: httpx2.Response) -> CallReport:
    return CallReport(
        latency_seconds=observation.seconds(),
        http_status=response.status_code,
        provider_request_id=plain(response.headers.get("x-request-id")),
    )


def _failure(error: Exception, observation: Observation) -> CallFailure:
    """What kept the model from answering."""
    if isinstance(error, openai.APIStatusError):
        report = _report(observation, error.response)
        wait = retry_after_seconds(error.response.headers, datetime.now(UTC))
        return failure_of_status(report, _error_codes(error.body), wait)
    seconds = observation.seconds()
    report = CallReport(latency_seconds=seconds)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        message = f"The model did not answer within {seconds:.1f} s."
        return CallFailure(report, errors_pb2.ERROR_REASON_LLM_TIMEOUT, message)
    message = "The model's provider could not be reached, or broke off the connection."
    return CallFailure(report, errors_pb2.ERROR_REASON_LLM_UNAVAILABLE, message)


def _error_codes(body: object) -> list[str]:
    """The `code` and the `type` of a provider's error, where it has them."""
    if not isinstance(body, Mapping):
        return []
    return [value for value in (body.get("code"), body.get("type")) if isinstance(value, str)]
