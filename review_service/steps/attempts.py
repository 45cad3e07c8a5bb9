"""Attempts as they are recorded: one message per call, built and never changed. Pure."""

from collections.abc import Sequence

from consensus.v1 import attempt_pb2, panel_pb2, run_event_pb2, run_pb2
from consensus_contract.spans import duration
from consensus_contract.steps import EXPAND, review_step
from review_service.model.model_call import CallFailure, CallReport

# Enough to see what was wrong; what lies beyond is left out, and `message` says so.
MAX_RAW_OUTPUT_BYTES = 65_536


def started_attempt(
    step: str,
    number: int,
    model: str,
    temperature: float | None,
    max_output_tokens: int,
    *,
    is_repair: bool = False,
    route: str = "",
    estimated_tokens: int = 0,
) -> attempt_pb2.Attempt:
    """An attempt about to be sent: STARTED, its `start_time` left to the persistence service."""
    return attempt_pb2.Attempt(
        step=step,
        attempt_number=number,
        state=attempt_pb2.ATTEMPT_STATE_STARTED,
        requested_model=model,
        temperature=temperature,
        repair=is_repair,
        max_output_tokens=max_output_tokens,
        route=route,
        estimated_input_tokens=estimated_tokens,
    )


def first_attempt(specification: run_pb2.RunSpecification, step: str) -> attempt_pb2.Attempt:
    """The attempt with which a step begins, for the record that starts the step."""
    if step == EXPAND:
        model, temperature = expanding_model(specification)
    else:
        model, temperature = reviewing_model(specification)
        persona = next((p for p in specification.personas if review_step(p.persona_id) == step), None)
        if persona is not None:
            model, temperature = persona_model(persona, model, temperature)
    return started_attempt(step, 1, model, temperature, specification.retry_policy.max_output_tokens)


def expanding_model(specification: run_pb2.RunSpecification) -> tuple[str, float | None]:
    """The model that expands, and its temperature; None: none is sent."""
    is_set = specification.HasField("expand_temperature")
    return specification.expand_model, specification.expand_temperature if is_set else None


def reviewing_model(specification: run_pb2.RunSpecification) -> tuple[str, float | None]:
    """The model that reviews, and its temperature; None: none is sent."""
    is_set = specification.HasField("review_temperature")
    return specification.review_model, specification.review_temperature if is_set else None


def persona_model(
    persona: panel_pb2.Persona, model: str, temperature: float | None
) -> tuple[str, float | None]:
    """What a persona is asked from, and its temperature: its own, or else the run's."""
    return persona.model or model, persona.temperature if persona.HasField("temperature") else temperature


def succeeded_attempt(started: attempt_pb2.Attempt, report: CallReport) -> attempt_pb2.Attempt:
    """The same attempt once its answer is there."""
    return _ended(started, report, attempt_pb2.ATTEMPT_STATE_SUCCEEDED)


def failed_attempt(started: attempt_pb2.Attempt, failure: CallFailure) -> attempt_pb2.Attempt:
    """The same attempt once it failed, with the answer as it came where it was invalid."""
    attempt = _ended(started, failure.report, attempt_pb2.ATTEMPT_STATE_FAILED)
    attempt.reason = failure.reason
    attempt.message = failure.message
    attempt.cause, attempt.uncounted = failure.cause, failure.is_local
    provider = failure.provider
    attempt.provider_code, attempt.provider_type = provider.code, provider.kind
    attempt.provider_param, attempt.provider_message = provider.param, provider.message
    # NUL has no place in a database's text, half of a surrogate pair none in the contract's.
    raw = failure.raw_output.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace")
    attempt.raw_output = raw[:MAX_RAW_OUTPUT_BYTES].decode("utf-8", "ignore")
    if len(raw) > MAX_RAW_OUTPUT_BYTES:
        attempt.message += f" Of the answer's {len(raw)} bytes the first {MAX_RAW_OUTPUT_BYTES} are kept."
    return attempt


def note_mended(attempt: attempt_pb2.Attempt, mended: Sequence[str], truncated: Sequence[str]) -> None:
    """Notes on an attempt that succeeded what of its answer was put right, and what was cut."""
    attempt.mended.extend(mended)
    attempt.truncated_fields.extend(truncated)


def step_failure(failure: CallFailure, message: str) -> run_pb2.StepFailure:
    """Why a step gave up whose last call failed; without content."""
    return run_pb2.StepFailure(
        reason=failure.reason,
        message=message,
        output_violations=failure.violations,
        cause=failure.cause,
        provider_code=failure.provider.code,
        provider_param=failure.provider.param,
    )


def failed_event(
    attempt: attempt_pb2.Attempt, persona_id: str, delay_seconds: float | None, fallback_route: str = ""
) -> run_event_pb2.AttemptFailed:
    """The event of a failed attempt; `delay_seconds` None when no other follows."""
    return run_event_pb2.AttemptFailed(
        step=attempt.step,
        persona_id=persona_id,
        attempt_number=attempt.attempt_number,
        reason=attempt.reason,
        retry_delay=None if delay_seconds is None else duration(delay_seconds),
        route=attempt.route,
        fallback_route=fallback_route,
    )


def unknown_attempt(attempt: attempt_pb2.Attempt) -> attempt_pb2.Attempt:
    """The same call, cut off: it may or may not have been answered and billed."""
    unknown = attempt_pb2.Attempt()
    unknown.CopyFrom(attempt)
    unknown.state = attempt_pb2.ATTEMPT_STATE_UNKNOWN
    return unknown


def _ended(
    started: attempt_pb2.Attempt, report: CallReport, state: attempt_pb2.AttemptState.ValueType
) -> attempt_pb2.Attempt:
    """A copy of the started attempt with what the call brought."""
    attempt = attempt_pb2.Attempt()
    attempt.CopyFrom(started)
    attempt.state = state
    attempt.answered_model = report.answered_model
    attempt.http_status = report.http_status
    attempt.provider_request_id = report.provider_request_id
    attempt.route, attempt.protocol = report.route or attempt.route, report.protocol
    attempt.dropped_parameters.extend(report.dropped_parameters)
    if report.omits_temperature:
        attempt.ClearField("temperature")
    if report.most_output_tokens is not None:
        attempt.max_output_tokens = min(attempt.max_output_tokens, report.most_output_tokens)
    if report.cost is not None:
        attempt.cost.CopyFrom(report.cost)
        attempt.price_version = report.price_version
    if report.usage is not None:
        attempt.usage.CopyFrom(report.usage)
    if report.latency_seconds is not None:
        attempt.latency.CopyFrom(duration(report.latency_seconds))
    return attempt
