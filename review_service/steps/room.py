"""Whether prompt, answer and time fit what a route takes. Pure but for the speeds that are measured."""

from dataclasses import dataclass
from typing import Final

from consensus.v1 import errors_pb2
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.model.routes import Resolved
from review_service.steps.prompt_tokens import PromptTokens, prompt_tokens, read_tokens, was_cut

# An answer of fewer tokens is no review: a prompt that leaves less room does not fit.
LEAST_ANSWER_TOKENS: Final = 256
# A shorter answer says more of the way than of the model's speed.
_LEAST_MEASURED_TOKENS: Final = 50
_MAX_MODELS: Final = 500  # names of models come from callers
_ANSWERED_BADLY = frozenset(
    {errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT}
)


@dataclass(frozen=True, slots=True)
class Room:
    """What a call may take on a route: the cap on its answer; the prompt's tokens where it has a window."""

    max_output_tokens: int
    prompt: PromptTokens | None
    window: int | None

    @property
    def estimated_tokens(self) -> int:
        """As attempts carry it; 0: there was no need to estimate."""
        return self.prompt.likely if self.prompt is not None else 0

    def too_long(self, route_id: str) -> CallFailure | None:
        """The failure of a prompt that cannot fit, however its tokens are counted."""
        if self.prompt is None or self.window is None:
            return None
        if self.prompt.least + LEAST_ANSWER_TOKENS <= self.window:
            return None
        return CallFailure(
            CallReport(route="" if route_id == "default" else route_id),
            errors_pb2.ERROR_REASON_LLM_CONTEXT_TOO_LONG,
            f"No call was made: the prompt has about {self.prompt.likely} tokens, at least"
            f" {self.prompt.least}; the window of route {route_id} takes {self.window}, the answer included"
            " (context_window in MODEL_ROUTES).",
            cause="context_too_long",
            is_setting=True,
            is_local=True,
        )


def room_for(cap: int, most: int | None, window: int | None, texts: tuple[str, ...]) -> Room:
    """The room of a call: `cap` lowered to the most that the route takes, and to what the prompt leaves."""
    cap = cap if most is None else min(cap, most)
    if window is None:
        return Room(cap, None, None)
    prompt = prompt_tokens(texts)
    return Room(max(min(cap, window - prompt.most), min(cap, LEAST_ANSWER_TOKENS)), prompt, window)


def prompt_cut(texts: tuple[str, ...], outcome: ModelAnswer | CallFailure) -> CallFailure | None:
    """The failure of a call whose server read only a part of the prompt, by its own count."""
    if isinstance(outcome, CallFailure) and outcome.reason not in _ANSWERED_BADLY:
        return None
    usage = outcome.report.usage
    tokens = read_tokens(usage) if usage is not None else 0
    if not was_cut(texts, tokens):
        return None
    return CallFailure(
        outcome.report,
        errors_pb2.ERROR_REASON_LLM_PROMPT_CUT,
        f"The server read {tokens} tokens of a prompt that has about {prompt_tokens(texts).likely}: it cut"
        " the prompt and said nothing. Its window is too small (a setting of the server, such as its context"
        " length; context_window in MODEL_ROUTES says what it is).",
        raw_output=outcome.text if isinstance(outcome, ModelAnswer) else outcome.raw_output,
        cause="prompt_cut",
        is_setting=True,
    )


class Speeds:
    """How many tokens a second each model last wrote. One per process."""

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        self._by_name: dict[str, float] = {}

    def note(self, stop: Resolved, report: CallReport) -> None:
        """Keeps the speed of an answer, averaged with those before."""
        usage, seconds = report.usage, report.latency_seconds
        if usage is None or not seconds or usage.output_tokens < _LEAST_MEASURED_TOKENS:
            return
        speed = usage.output_tokens / seconds
        if len(self._by_name) >= _MAX_MODELS:
            self._by_name.clear()
        self._by_name[stop.name] = (self._by_name.get(stop.name, speed) + speed) / 2

    def shortfall(self, stop: Resolved, cap: int, seconds: float) -> str:
        """Says that so much time cannot carry an answer up to the cap; empty where it can, or who knows."""
        speed = self._by_name.get(stop.name)
        if not speed or cap <= speed * seconds:
            return ""
        return (
            f"At {speed:.0f} tokens a second, as measured here, an answer up to the cap of {cap} tokens takes"
            f" {cap / speed:.0f} s; the attempt has {seconds:.0f} s."
        )
