"""The fault script: which answers go wrong, how, and how often. Pure."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from offline_model.ask import Ask


class Rule(BaseModel):
    """One line of the script: which calls it meets (an absent field: all), and what happens to them.

    The first rule that meets a call and is not used up decides alone. It waits `delay_seconds` (in place
    of the server's latency), then on `hold`, then answers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str | None = None
    step: str | None = None
    persona: str | None = None
    attempt: int | None = Field(default=None, ge=1)
    contains: str | None = Field(default=None, description="a string that stands in the input")
    times: int | None = Field(default=None, ge=1, description="how often the rule fires; without it, always")

    delay_seconds: float | None = Field(default=None, ge=0)
    hold: str | None = Field(default=None, description="the answer waits until this name is released")
    status: int | None = Field(default=None, ge=300, le=599, description="answers with this HTTP error")
    headers: dict[str, str] = Field(default_factory=dict, description="added to whatever is answered")
    error_code: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    cut_off: Literal["before_headers", "reset"] | int | None = Field(
        default=None,
        description="closes or resets the connection unanswered, or after so many bytes of the body",
    )
    malformed: Literal["not_json", "wrong_schema", "truncated_http_body", "html_body"] | None = None
    incomplete: Literal["max_output_tokens", "content_filter"] | None = None
    refusal: str | None = None
    failed: str | None = Field(
        default=None, description="status failed with this error code, such as server_error"
    )
    trickle_seconds: float | None = Field(default=None, gt=0, description="the body takes so long to arrive")
    override: dict[str, Any] | list[Any] | str | None = Field(
        default=None, description="the output, literally"
    )
    redirect: str | None = Field(default=None, description="answers 307 to this address")

    def meets(self, ask: Ask) -> bool:
        """Tell whether the rule is about this call."""
        return (
            self.run_id in (None, ask.run_id)
            and self.step in (None, ask.step)
            and self.persona in (None, ask.persona)
            and self.attempt in (None, ask.attempt)
            and (self.contains is None or self.contains in ask.text)
        )

    def spoils(self) -> bool:
        """Tell whether the answer is no usable one (late, slow and overridden ones are)."""
        faults = (
            self.status,
            self.cut_off,
            self.malformed,
            self.incomplete,
            self.refusal,
            self.failed,
            self.redirect,
        )
        return any(fault is not None for fault in faults)


NO_RULE = Rule()


class Script:
    """The rules in order, and how often each has fired."""

    def __init__(self) -> None:
        self._lines: list[tuple[Rule, list[int]]] = []

    def add(self, rules: list[Rule]) -> None:
        """Append rules; those added earlier go first."""
        self._lines.extend((rule, [0]) for rule in rules)

    def clear(self) -> None:
        """Forget all rules."""
        self._lines.clear()

    def fire(self, ask: Ask) -> Rule:
        """Return the rule for this call and count it; NO_RULE where none meets it."""
        for rule, fired in self._lines:
            if (rule.times is None or fired[0] < rule.times) and rule.meets(ask):
                fired[0] += 1
                return rule
        return NO_RULE

    def listing(self) -> list[dict[str, Any]]:
        """Return the rules with how often each fired."""
        return [
            {"rule": rule.model_dump(exclude_defaults=True), "fired": fired[0]} for rule, fired in self._lines
        ]
