"""What a rule of the script makes of an answer before it is sent. Pure."""

import json
from dataclasses import dataclass

from offline_model.ask import Ask
from offline_model.event_stream import event_stream
from offline_model.responses import Ending, JsonObject, error_body, refusal_part, response, text_part
from offline_model.script import Rule

_CHARACTERS_PER_TOKEN = 4
_HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
_WRONG_SCHEMA = {"confidence_score": "high", "verdict": "fine"}
_DEFAULT_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "permission_denied", "You have no access to this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
}
_REJECTED = ("invalid_request_error", None, "The request was rejected.")
_SERVER_ERROR = ("server_error", None, "The server had an error while processing your request.")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer: status, headers of its own, body; and the tokens in, cached and out that it is for."""

    status: int
    headers: dict[str, str]
    body: bytes
    billed: tuple[int, int, int] = (0, 0, 0)


def answer(ask: Ask, rule: Rule, text: str, cached_tokens: int) -> HttpAnswer:
    """Return the answer to a call whose honest text this is, as the rule has it."""
    if rule.redirect is not None:
        return HttpAnswer(307, {"location": rule.redirect}, b"")
    if rule.status is not None:
        return HttpAnswer(rule.status, _json(), json.dumps(_error(rule, rule.status)).encode())
    if rule.malformed == "html_body":
        return HttpAnswer(200, {"content-type": "text/html"}, _HTML)
    whole = _response(ask, rule, text, cached_tokens)
    if ask.stream:
        sent, headers = event_stream(whole), {"content-type": "text/event-stream; charset=utf-8"}
    else:
        sent, headers = json.dumps(whole).encode(), _json()
    if rule.malformed == "truncated_http_body":
        sent = sent[: len(sent) // 2]
    usage = whole["usage"]
    cached = usage["input_tokens_details"]["cached_tokens"]
    return HttpAnswer(200, headers, sent, (usage["input_tokens"], cached, usage["output_tokens"]))


def _json() -> dict[str, str]:
    return {"content-type": "application/json"}


def _response(ask: Ask, rule: Rule, text: str, cached_tokens: int) -> JsonObject:
    if rule.failed is not None:
        error: JsonObject = {"code": rule.failed, "message": rule.error_message or "The model failed."}
        return response(ask, [], Ending("failed", error=error), cached_tokens)
    if rule.refusal is not None:
        return response(ask, [refusal_part(rule.refusal)], Ending(), cached_tokens)
    if rule.incomplete is not None:
        parts = [text_part(text[: len(text) // 2])]
        return response(ask, parts, Ending("incomplete", rule.incomplete), cached_tokens)
    output = _output(rule, text)
    room = None if ask.max_output_tokens is None else ask.max_output_tokens * _CHARACTERS_PER_TOKEN
    if room is not None and len(output) >= room:
        parts = [text_part(output[: room - 1])]
        return response(ask, parts, Ending("incomplete", "max_output_tokens"), cached_tokens)
    return response(ask, [text_part(output)], Ending(), cached_tokens)


def _output(rule: Rule, text: str) -> str:
    if rule.override is not None:
        return rule.override if isinstance(rule.override, str) else json.dumps(rule.override)
    if rule.malformed == "not_json":
        return "Certainly! Here is what I think of it: it is a fine idea."
    if rule.malformed == "wrong_schema":
        return json.dumps(_WRONG_SCHEMA)
    return text


def _error(rule: Rule, status: int) -> JsonObject:
    kind, code, message = _DEFAULT_ERRORS.get(status, _SERVER_ERROR if status >= 500 else _REJECTED)
    return error_body(rule.error_message or message, rule.error_type or kind, None, rule.error_code or code)
