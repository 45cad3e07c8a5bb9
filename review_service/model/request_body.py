"""The request to a model as either protocol takes it, in the manner that its route is known to take. Pure."""

from typing import Any
from urllib.parse import urlsplit

import pydantic_core

from review_service.model.manner import USER_ROLE, Manner
from review_service.model.model_call import ModelCall, OutputFormat
from review_service.model.routes import CacheBreakpoint, Protocol, Route, StructuredOutput
from review_service.model.schema_outline import schema_outline

# Hosts of the provider whose own parameters others may refuse; its Azure kind has one host for each account.
_OWN_HOSTS = ("openai.com", "openai.azure.com", "services.ai.azure.com")
_EXPLICIT = {"mode": "explicit"}

Body = dict[str, Any]


def request_body(route: Route, manner: Manner, call: ModelCall) -> bytes:
    """The request, whole. Whether it is streamed is the route's to say."""
    is_responses = manner.protocol == Protocol.RESPONSES
    body = _responses(route, manner, call) if is_responses else _completions(route, manner, call)
    if manner.cap_parameter:
        body[manner.cap_parameter] = output_cap(manner, call)
    if call.temperature is not None and manner.takes_temperature:
        body["temperature"] = call.temperature
    if route.service_tier and "service_tier" not in manner.omitted:
        body["service_tier"] = route.service_tier
    if route.cache_breakpoint and _marks_openai(route, manner, call):
        body["prompt_cache_options"] = _EXPLICIT
    for name in manner.omitted:
        body.pop(name, None)
    return pydantic_core.to_json(body)


def output_cap(manner: Manner, call: ModelCall) -> int:
    """The cap on the answer's tokens that is sent: what is asked for, or the most that the route takes."""
    most = manner.max_output_tokens
    return call.max_output_tokens if most is None else min(call.max_output_tokens, most)


def schema_text(output: OutputFormat) -> str:
    """The sentence that carries a schema where the server does not enforce one."""
    return (
        "Answer with one JSON object and nothing else: no word before it or after it, no code fence. It has"
        f" exactly these fields, all of them:\n{schema_outline(output.schema)}"
    )


def _responses(route: Route, manner: Manner, call: ModelCall) -> Body:
    instructions = _instructions(manner, call) if manner.describes_schema else call.instructions
    messages: list[Body] = [{"role": "user", "content": message} for message in call.messages]
    if "instructions" in manner.omitted:
        messages.insert(0, {"role": manner.role, "content": instructions})
    if route.cache_breakpoint:
        _mark(messages, route, manner, call, "input_text")
    body: Body = {"model": call.model, "instructions": instructions, "input": messages}
    if (shape := _shape(manner, call.output)) is not None:
        body["text"] = {"format": shape if "json_schema" not in shape else _flat(shape)}
    body |= {"store": False, "stream": route.is_slow, "prompt_cache_key": call.run_id}
    body["metadata"] = _metadata(call)
    if route.reasoning_effort and "reasoning_effort" not in manner.omitted:
        body["reasoning"] = {"effort": route.reasoning_effort}
    return body


def _completions(route: Route, manner: Manner, call: ModelCall) -> Body:
    """Nothing is stored there unless it is asked for, and what only its maker takes goes to its maker."""
    instructions = _instructions(manner, call)
    body: Body = {"model": call.model, "messages": _chat_messages(route, manner, call, instructions)}
    if (shape := _shape(manner, call.output)) is not None:
        body["response_format"] = shape
    body["stream"] = route.is_slow
    if route.is_slow:
        body["stream_options"] = {"include_usage": True}
    if _is_openai(route):
        body["prompt_cache_key"] = call.run_id
    if route.reasoning_effort:
        body["reasoning_effort"] = route.reasoning_effort
    return body


def _chat_messages(route: Route, manner: Manner, call: ModelCall, instructions: str) -> list[Body]:
    """The instructions, and one message of the user: templates of some models want them to take turns."""
    texts = call.messages if manner.role != USER_ROLE else (instructions, *call.messages)
    shared = call.shared_messages + (manner.role == USER_ROLE)
    system = [] if manner.role == USER_ROLE else [{"role": manner.role, "content": instructions}]
    mark = _marking(route, manner)
    if not mark or not 0 < shared < len(texts):
        return [*system, {"role": "user", "content": "\n\n".join(texts)}]
    first, rest = "\n\n".join(texts[:shared]), "\n\n" + "\n\n".join(texts[shared:])
    parts = [{"type": "text", "text": first} | mark, {"type": "text", "text": rest}]
    return [*system, {"role": "user", "content": parts}]


def _mark(messages: list[Body], route: Route, manner: Manner, call: ModelCall, kind: str) -> None:
    """Marks the end of what other calls of the run share, where a provider caches only what it is told."""
    mark = _marking(route, manner)
    if mark and 0 < call.shared_messages < len(call.messages):
        last = messages[call.shared_messages - 1 + ("instructions" in manner.omitted)]
        last["content"] = [{"type": kind, "text": last["content"]} | mark]


def _marking(route: Route, manner: Manner) -> Body:
    if "cache_breakpoint" in manner.omitted:
        return {}
    if route.cache_breakpoint == CacheBreakpoint.OPENAI:
        return {"prompt_cache_breakpoint": _EXPLICIT}
    return {"cache_control": {"type": "ephemeral"}} if route.cache_breakpoint else {}


def _marks_openai(route: Route, manner: Manner, call: ModelCall) -> bool:
    is_marked = 0 < call.shared_messages < len(call.messages)
    return (
        is_marked
        and route.cache_breakpoint == CacheBreakpoint.OPENAI
        and "cache_breakpoint" not in manner.omitted
    )


def _instructions(manner: Manner, call: ModelCall) -> str:
    if not manner.describes_schema:
        return call.instructions
    return f"{call.instructions}\n\n{schema_text(call.output)}"


def _shape(manner: Manner, output: OutputFormat) -> Body | None:
    """The answer's form as Chat Completions asks for it; None where only the prompt does."""
    if manner.structured_output == StructuredOutput.PROMPT:
        return None
    if manner.structured_output == StructuredOutput.JSON_OBJECT:
        return {"type": "json_object"}
    if not manner.omitted:
        return {
            "type": "json_schema",
            "json_schema": {"name": output.name, "strict": True, "schema": output.schema},
        }
    schema: Body = {"name": output.name, "strict": True, "schema": _stripped(manner, output.schema)}
    if "strict" in manner.omitted:
        del schema["strict"]
    return {"type": "json_schema", "json_schema": schema}


def _flat(shape: Body) -> Body:
    """The same as the Responses API asks for it."""
    return {"type": shape["type"], **shape["json_schema"]}


def _stripped(manner: Manner, schema: Body) -> Body:
    """The schema without the keywords that the route does not take."""
    keywords = {name.removeprefix("schema.") for name in manner.omitted if name.startswith("schema.")}
    if not keywords:
        return schema
    without = _without(schema, keywords)
    assert isinstance(without, dict)
    return without


def _without(value: object, keywords: set[str]) -> object:
    if isinstance(value, list):
        return [_without(each, keywords) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        # Names of fields are no keywords.
        key: {name: _without(each, keywords) for name, each in item.items()}
        if key in ("properties", "$defs") and isinstance(item, dict)
        else _without(item, keywords)
        for key, item in value.items()
        if key not in keywords
    }


def _metadata(call: ModelCall) -> dict[str, str]:
    metadata = {"run_id": call.run_id, "step": call.step, "attempt": str(call.attempt_number)}
    if call.persona_id:
        metadata["persona"] = call.persona_id
    return metadata


def _is_openai(route: Route) -> bool:
    host = urlsplit(route.base_url or "https://api.openai.com").hostname or ""
    return host.endswith(_OWN_HOSTS)
