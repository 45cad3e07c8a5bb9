"""What passes between a step and the model: a call, and what became of it."""

from dataclasses import dataclass
from typing import Any

from consensus.v1 import attempt_pb2, panel_pb2, run_pb2
from consensus_contract.errors import Reason
from review_service.model.provider_error import NOTHING_SAID, ProviderError


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """The shape of the answer that is asked for: a name and a JSON schema, made once."""

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call, whole. `messages` are the user's texts, in order; `temperature` None: none is sent.

    `route` is the id of the route to ask, empty for the default one, and `model` the name there, without a
    route. `shared_messages`: how many of the first messages are the same for other calls of the run, so that
    a cache breakpoint belongs after them. `seconds_left`: how long the call may take with its wait for a turn
    where the route's limits make it wait, that is, until the run's deadline; None: as long as its time-out.
    """

    run_id: str
    step: str
    persona_id: str
    attempt_number: int
    model: str
    temperature: float | None
    max_output_tokens: int
    output: OutputFormat
    instructions: str
    messages: tuple[str, ...]
    route: str = ""
    shared_messages: int = 1
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class CallReport:
    """What is kept of a call whatever became of it. `latency_seconds` None: nothing was sent.

    `route` is the route's id as attempts carry it. `dropped_parameters`: what the route was known not to
    take when the call was made, and was left out or exchanged. `omits_temperature`: none was sent, whatever
    was asked for; `most_output_tokens`: a lower cap than was asked for, if one was sent.
    """

    latency_seconds: float | None = None
    http_status: int = 0
    provider_request_id: str = ""
    answered_model: str = ""
    usage: panel_pb2.TokenUsage | None = None
    route: str = ""
    protocol: str = ""
    dropped_parameters: tuple[str, ...] = ()
    omits_temperature: bool = False
    most_output_tokens: int | None = None
    cost: attempt_pb2.Cost | None = None
    price_version: str = ""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The model's text, complete, not looked at yet."""

    report: CallReport
    text: str


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call without a usable answer.

    `message` and `violations` hold no content; `raw_output` and `provider.message` do, or may. `cause` is a
    short word for what happened, finer than the reason; empty where the reason says it all. `is_setting`:
    the same call can succeed once somebody mends a setting or an account. `is_local`: this machine fell
    short and nothing left it, so that it says nothing of the provider and should use up no attempt.
    `relearn`: the route refused how it was asked, and the next call asks otherwise: it is worth making at
    once, whatever the reason says.
    """

    report: CallReport
    reason: Reason
    message: str
    retry_after_seconds: float | None = None
    raw_output: str = ""
    violations: tuple[run_pb2.OutputViolation, ...] = ()
    provider: ProviderError = NOTHING_SAID
    cause: str = ""
    is_setting: bool = False
    is_local: bool = False
    relearn: bool = False
