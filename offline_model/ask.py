"""What a request to the Responses API asks for, read from its JSON body. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

_FENCE = re.compile(r'<data name="([a-z_]+)" id="([0-9a-f]{32})">\n(.*?)\n</data id="\2">', re.DOTALL)
_PERSONA_LINE = re.compile(r"^Persona:[ \t]*([A-Za-z0-9_-]+)", re.MULTILINE)
_REVIEW_STEP = "review_"

Kind = Literal["proposal", "review", "other"]


class BadAskError(ValueError):
    """The request is one that the Responses API would refuse with 400; `param` names the field."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: whose it is, what is asked of whom, and the text it is about."""

    run_id: str
    step: str
    persona: str
    attempt: int
    kind: Kind
    model: str
    stream: bool
    max_output_tokens: int | None
    shared_prefix: str
    text: str
    body: dict[str, Any]

    def data(self) -> dict[str, str]:
        """Return the fenced blocks of the input by name; the first of a name counts."""
        blocks: dict[str, str] = {}
        for name, _, content in _FENCE.findall(self.text):
            blocks.setdefault(name, content)
        return blocks

    def persona_text(self) -> str:
        """Return what a persona is told of itself: what follows its line."""
        return _PERSONA_LINE.split(_FENCE.sub("", self.text))[-1]

    def instructions(self) -> str:
        """Return the instructions that all calls of a kind share."""
        given = self.body.get("instructions")
        return given if isinstance(given, str) else ""

    def schema(self) -> dict[str, Any]:
        """Return the schema of an answer that is neither a proposal nor a review."""
        schema: dict[str, Any] = self.body["text"]["format"]["schema"]
        return schema

    def unfenced(self) -> str:
        """Return the input without its fenced blocks and without the persona's line."""
        return _PERSONA_LINE.sub("", _FENCE.sub("", self.text)).strip()


def read_ask(raw: bytes) -> Ask:
    """Read a request body.

    Raises:
        BadAskError: no JSON object, or a field is missing or of the wrong type.
    """
    body = _object(raw)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadAskError("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    metadata = _metadata(body)
    messages = _messages(body)
    text = "\n\n".join(messages)
    persona = _persona(metadata, messages)
    kind = _kind(body, persona)
    if kind == "review" and not persona:
        raise BadAskError("A review needs a persona: metadata.persona or a line 'Persona: <id>'.", "input")
    step = metadata.get("step") or (f"{_REVIEW_STEP}{persona}" if kind == "review" else "expand")
    instructions = body.get("instructions")
    return Ask(
        run_id=metadata.get("run_id", ""),
        step=step,
        persona=persona,
        attempt=_attempt(metadata),
        kind=kind,
        model=model,
        stream=body.get("stream") is True,
        max_output_tokens=_max_output_tokens(body),
        shared_prefix=(instructions if isinstance(instructions, str) else "") + messages[0],
        text=text,
        body=body,
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadAskError("We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise BadAskError("The body must be a JSON object.")
    _check_temperature(body.get("temperature"))
    return body


def _check_temperature(temperature: object) -> None:
    if temperature is None:
        return
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise BadAskError(
            "Invalid 'temperature': expected a number from 0 to 2.", "temperature", "invalid_value"
        )


def _metadata(body: dict[str, Any]) -> dict[str, str]:
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadAskError("Invalid 'metadata': expected an object of strings.", "metadata", "invalid_type")
    return metadata


def _messages(body: dict[str, Any]) -> list[str]:
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    if not isinstance(given, list) or not given:
        raise BadAskError("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    return [_message(item) for item in given]


def _message(item: object) -> str:
    content = item.get("content") if isinstance(item, dict) else None
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    raise BadAskError("Invalid 'input': each item needs a 'content'.", "input", "invalid_value")


def _persona(metadata: dict[str, str], messages: list[str]) -> str:
    if metadata.get("persona"):
        return metadata["persona"]
    step = metadata.get("step", "")
    if step.startswith(_REVIEW_STEP):
        return step.removeprefix(_REVIEW_STEP)
    if step:
        return ""
    # The caller's text may contain such a line too, but only between its fences.
    found = (_PERSONA_LINE.search(_FENCE.sub("", message)) for message in reversed(messages))
    return next((line[1] for line in found if line), "")


def _kind(body: dict[str, Any], persona: str) -> Kind:
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return "review" if persona else "proposal"
    schema = wanted.get("schema")
    if not isinstance(wanted.get("name"), str) or not isinstance(schema, dict):
        raise BadAskError("Invalid 'text.format': a json_schema needs 'name' and 'schema'.", "text.format")
    fields = schema.get("properties", {})
    if "confidence_score" in fields:
        return "review"
    return "proposal" if not fields or "problem_statement" in fields else "other"


def _attempt(metadata: dict[str, str]) -> int:
    attempt = metadata.get("attempt", "1")
    return int(attempt) if attempt.isdecimal() else 1


def _max_output_tokens(body: dict[str, Any]) -> int | None:
    most = body.get("max_output_tokens")
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise BadAskError(
            "Invalid 'max_output_tokens': expected a whole number of at least 1.",
            "max_output_tokens",
            "invalid_value",
        )
    return most
