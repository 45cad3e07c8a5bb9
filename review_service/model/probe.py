"""Whether routes work: one small structured call to each, told by what came of it.

The prompt of the call does not describe the schema, so that an answer that keeps it shows that the server
enforces it. A second call, which describes it, follows only where the first did not keep it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consensus.v1 import errors_pb2, review_service_pb2
from consensus_contract.spans import duration
from consensus_rpc.process.settings_text import without_secrets
from review_service.model.client import ModelClient
from review_service.model.manner import Manner
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer, ModelCall, OutputFormat
from review_service.model.provider_error import read_json
from review_service.model.routes import StructuredOutput
from review_service.model.way import Way

_WORD: Final = "teal"
PROBE_FORMAT = OutputFormat(
    "probe",
    {
        "type": "object",
        "properties": {"shade": {"type": "string", "enum": [_WORD]}, "is_ready": {"type": "boolean"}},
        "required": ["shade", "is_ready"],
        "additionalProperties": False,
    },
)
_TEMPERATURE = 0.2
_MAX_OUTPUT_TOKENS = 2_000
# Whoever asks again so soon is given what came of it then: probes cost, and anybody may ask.
_FRESH_SECONDS: Final = 10.0
# The first, one for each lesson that a refusal teaches, and one that describes the schema.
_MAX_CALLS = 10
_NOT_IN_TIME = "The route did not answer what it was asked within {seconds:.0f} s."
_NOT_THE_SCHEMA = "The answer is not the JSON that was asked for, even where the prompt described it."

_Probe = review_service_pb2.ModelRouteProbe


@dataclass(slots=True)
class _Tried:
    """What the calls to one route showed so far."""

    outcome: ModelAnswer | CallFailure | None = None
    is_kept: bool = False
    is_enforced: bool | None = None
    status: int = 0
    calls: int = 0


class RouteProbe:
    """Asks routes; who asks for one that is being asked, or was within 10 s, gets the same answer.

    `default_model` is asked for where a route names none of its own. One per process.
    """

    def __init__(
        self,
        model: ModelClient,
        default_model: str,
        timeout_seconds: float,
        *,
        fresh_seconds: float = _FRESH_SECONDS,
    ) -> None:
        self._model = model
        self._default_model = default_model
        self._timeout_seconds = timeout_seconds
        self._fresh_seconds = fresh_seconds
        self._asked: dict[str, asyncio.Task[_Probe]] = {}

    async def probe(self, route_ids: Sequence[str]) -> list[_Probe]:
        """What came of a call to each of these routes, which exist; within the time of one attempt."""
        return list(await asyncio.gather(*(self._shared(each) for each in route_ids)))

    async def _shared(self, route_id: str) -> _Probe:
        task = self._asked.get(route_id)
        if task is None:
            task = asyncio.create_task(self._probed(self._model.way(route_id)))
            self._asked[route_id] = task
            task.add_done_callback(lambda _: self._forget_later(route_id))
        return await asyncio.shield(task)

    def _forget_later(self, route_id: str) -> None:
        asyncio.get_running_loop().call_later(self._fresh_seconds, self._asked.pop, route_id, None)

    async def _probed(self, way: Way) -> _Probe:
        model = way.route.model or self._default_model
        tried = _Tried()
        seconds = way.route.attempt_timeout_seconds or self._timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._try(way, model, seconds, tried)
        except TimeoutError:
            tried.outcome = CallFailure(
                tried.outcome.report if tried.outcome is not None else CallReport(),
                errors_pb2.ERROR_REASON_LLM_TIMEOUT,
                _NOT_IN_TIME.format(seconds=seconds),
            )
        return _told(way, model, tried)

    async def _try(self, way: Way, model: str, seconds: float, tried: _Tried) -> None:
        """Calls until the route keeps the schema, or there is nothing left to ask otherwise."""
        while tried.calls < _MAX_CALLS:
            tried.calls += 1
            is_described = way.manner(model).describes_schema
            outcome = await self._model.call(_call(way, model, tried.calls), seconds)
            tried.outcome, tried.status = outcome, outcome.report.http_status or tried.status
            if isinstance(outcome, CallFailure):
                if outcome.relearn:
                    continue
                return
            tried.is_kept = _keeps_schema(outcome.text)
            if not is_described:
                tried.is_enforced = tried.is_kept
            if tried.is_kept or not way.note_schema_ignored(model):
                return


def _call(way: Way, model: str, number: int) -> ModelCall:
    return ModelCall(
        run_id="probe",
        step="probe",
        persona_id="",
        attempt_number=number,
        model=model,
        temperature=_TEMPERATURE,
        max_output_tokens=_MAX_OUTPUT_TOKENS,
        output=PROBE_FORMAT,
        instructions="You are asked whether you are there. Answer in JSON.",
        messages=("Are you there?",),
        route=way.route.wire_id,
    )


def _keeps_schema(text: str) -> bool:
    """Whether an answer is what the schema says, or holds it within a fence."""
    start, end = text.find("{"), text.rfind("}")
    value = read_json(text[start : end + 1].encode("utf-8", "replace"))
    return (
        isinstance(value, dict)
        and value.keys() == {"shade", "is_ready"}
        and value["shade"] == _WORD
        and isinstance(value["is_ready"], bool)
    )


def _told(way: Way, model: str, tried: _Tried) -> _Probe:
    """The probe as the contract has it."""
    outcome, manner = tried.outcome, way.manner(model)
    assert outcome is not None
    report = outcome.report
    probe = _Probe(
        route=way.route.id,
        base_url=without_secrets(way.route.base_url or ""),
        requested_model=model,
        answered_model=report.answered_model,
        reachable=tried.status > 0,
        usable=tried.is_kept,
        protocol=manner.protocol,
        schema_enforced=_enforced(manner, tried),
        temperature_taken=_temperature_taken(way, manner, outcome),
        dropped_parameters=manner.dropped,
        cost=report.cost,
    )
    if report.latency_seconds is not None and isinstance(outcome, ModelAnswer):
        probe.latency.CopyFrom(duration(report.latency_seconds))
    if isinstance(outcome, CallFailure):
        probe.reason, probe.cause, probe.message = outcome.reason, outcome.cause, outcome.message
    elif not tried.is_kept:
        probe.reason = errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT
        probe.cause, probe.message = "not_the_schema", _NOT_THE_SCHEMA
    return probe


def _enforced(manner: Manner, tried: _Tried) -> bool | None:
    """False too where that was found out before: the prompt has described the schema since."""
    if tried.is_enforced is not None:
        return tried.is_enforced
    is_known = manner.describes_schema and manner.structured_output == StructuredOutput.JSON_SCHEMA
    return False if is_known and tried.is_kept else None


def _temperature_taken(way: Way, manner: Manner, outcome: ModelAnswer | CallFailure) -> bool | None:
    if not manner.takes_temperature:
        return False if way.route.takes_temperature else None
    return True if isinstance(outcome, ModelAnswer) else None
