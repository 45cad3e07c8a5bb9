"""A provider of either protocol that refuses, ignores or cuts what real ones do; over real connections.

`Provider(*habits)` answers what is asked with JSON that keeps the schema. A habit is told each request, and
may answer it otherwise: `refuses_temperature`, `speaks_chat_only`, `ignores_the_schema` and so on.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from review_service.model.probe import PROBE_FORMAT
from review_service.model.schema_outline import schema_outline
from review_service.steps.outputs import PROPOSAL_FORMAT, REVIEW_FORMAT
from tests.support.loopback import listening

PROMPT_TOKENS, ANSWER_TOKENS = 1_000, 50


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def is_chat(self) -> bool:
        return self.path.endswith("/chat/completions")

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema that the server is to enforce."""
        shape = self.body.get("response_format") or self.body.get("text", {}).get("format") or {}
        found: dict[str, Any] | None = shape.get("schema") or shape.get("json_schema", {}).get("schema")
        return found

    @property
    def prompt(self) -> str:
        """All words of the prompt."""
        return "\n".join(_strings([self.body.get(key) for key in ("instructions", "input", "messages")]))

    @property
    def described_schema(self) -> dict[str, Any] | None:
        """The schema that the prompt describes."""
        known = (REVIEW_FORMAT, PROPOSAL_FORMAT, PROBE_FORMAT)
        return next((each.schema for each in known if schema_outline(each.schema) in self.prompt), None)


@dataclass(slots=True)
class Reply:
    """What is answered: a body as JSON, or as it is; `pause_seconds` between the events of a stream."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


Habit = Callable[[Asked], Reply | None]


def refusal(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Reply:
    """An error as the Responses API and Chat Completions give it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply({"error": error}, status)


def refuses_temperature(asked: Asked) -> Reply | None:
    """A reasoning model: it takes its own temperature only."""
    if "temperature" not in asked.body:
        return None
    message = "Unsupported parameter: 'temperature' is not supported with this model."
    return refusal(400, message, code="unsupported_parameter", param="temperature")


def refuses_max_tokens(asked: Asked) -> Reply | None:
    """A model that knows the cap by its newer name."""
    if "max_tokens" not in asked.body:
        return None
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead."
    )
    return refusal(400, message, code="unsupported_parameter", param="max_tokens")


def caps_at(most: int) -> Habit:
    """A model that writes at most so many tokens."""

    def habit(asked: Asked) -> Reply | None:
        name = next((each for each in asked.body if each.startswith("max_")), None)
        if name is None or asked.body[name] <= most:
            return None
        message = f"max_tokens is too large: {asked.body[name]}. This model supports at most {most} tokens."
        return refusal(400, message, code="invalid_value", param=name)

    return habit


def takes_the_role(role: str) -> Habit:
    """A model whose instructions come in one role only."""

    def habit(asked: Asked) -> Reply | None:
        others = [m["role"] for m in asked.body.get("messages", ()) if m["role"] not in (role, "user")]
        if not others:
            return None
        message = f"Unsupported value: 'messages[0].role' does not support '{others[0]}' with this model."
        return refusal(400, message, code="unsupported_value", param="messages[0].role")

    return habit


def forbids_extra(*names: str) -> Habit:
    """A server that refuses what it does not know, in the words of the framework it is written in."""

    def habit(asked: Asked) -> Reply | None:
        faults = [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
            for name in names
            if name in asked.body
        ]
        return Reply({"detail": faults}, 422) if faults else None

    return habit


def refuses_json_schema(asked: Asked) -> Reply | None:
    """A server that knows `json_object` at most."""
    if asked.schema is None:
        return None
    message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
    return refusal(400, message, param="response_format")


def refuses_keyword(keyword: str) -> Habit:
    """A server whose schemas lack a keyword."""

    def habit(asked: Asked) -> Reply | None:
        if asked.schema is None or f'"{keyword}"' not in json.dumps(asked.schema):
            return None
        name = "response_format" if asked.is_chat else "text.format"
        message = f"Invalid schema for {name}: In context=(), '{keyword}' is not permitted."
        return refusal(400, message, code="invalid_json_schema", param=f"{name}.schema")

    return habit


def speaks_chat_only(asked: Asked) -> Reply | None:
    """A server that knows no Responses API."""
    return None if asked.is_chat else Reply({"detail": "Not Found"}, 404)


def has_unexpected_endpoints(asked: Asked) -> Reply | None:
    """One that says so with status 200."""
    return None if asked.is_chat else Reply({"error": f"Unexpected endpoint or method. (POST {asked.path})"})


def wants_api_version(asked: Asked) -> Reply | None:
    """The Azure kind: nothing is there without its query, and the key has a header of its own."""
    if "api-version" not in asked.query:
        return Reply({"error": {"code": "404", "message": "Resource not found"}}, 404)
    if "api-key" not in asked.headers:
        return Reply(
            {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}, 401
        )
    return None


def ignores_the_schema(asked: Asked) -> Reply | None:
    """A server that takes the schema, and a model that writes as it likes unless the prompt says how."""
    described = asked.described_schema
    if described is None:
        return answer(asked, "Well, I think that this is a fine idea.")
    return answer(asked, json.dumps(instance_of(described)))


def comments_first(asked: Asked) -> Reply | None:
    """A model that comments on its work in a message of its own before the answer."""
    if asked.is_chat:
        return None
    comment = {"type": "message", "phase": "commentary", "content": _text("I look at the proposal first.")}
    final = {"type": "message", "phase": "final_answer", "content": _text(_whole(asked))}
    return Reply(_envelope(asked, [comment, final]))


def thinks_the_cap_away(asked: Asked) -> Reply | None:
    """A model whose reasoning uses the whole cap."""
    cap = next((value for name, value in asked.body.items() if name.startswith("max_")), ANSWER_TOKENS)
    usage = {"output_tokens": cap, "completion_tokens": cap} | {
        name: {"reasoning_tokens": cap} for name in ("output_tokens_details", "completion_tokens_details")
    }
    if asked.is_chat:
        reply = answer(asked, "", finish_reason="length")
    else:
        reply = Reply(_envelope(asked, []) | {"status": "incomplete"})
        reply.body["incomplete_details"] = {"reason": "max_output_tokens"}
    reply.body["usage"] |= usage
    return reply


def cuts_prompts(most_tokens: int) -> Habit:
    """A server that halves long prompts and says nothing; its usage tells."""

    def habit(asked: Asked) -> Reply | None:
        reply = answer(asked, _whole(asked))
        tokens = min(len(asked.prompt) // 4, most_tokens)
        reply.body["usage"] |= {"input_tokens": tokens, "prompt_tokens": tokens}
        return reply

    return habit


def streams(pieces: int | None = None) -> Habit:
    """A server that streams; after so many pieces of the answer it hangs (None: it ends)."""

    def habit(asked: Asked) -> Reply | None:
        text = _whole(asked)
        parts = [text[start : start + 5] for start in range(0, len(text), 5)]
        events = _chunks(asked, parts[:pieces]) if asked.is_chat else _events(asked, parts[:pieces])
        if pieces is None:
            events += _chat_end(asked) if asked.is_chat else _response_end(asked, text)
        body = "".join(f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in events)
        return Reply(body, headers={"Content-Type": "text/event-stream"}, hangs=pieces is not None)

    return habit


def answer(asked: Asked, text: str, *, finish_reason: str = "stop") -> Reply:
    """A whole answer with this text, in the protocol that was asked."""
    if not asked.is_chat:
        return Reply(_envelope(asked, [{"type": "message", "content": _text(text)}]))
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    body = {"id": "c-1", "object": "chat.completion", "model": asked.body["model"], "choices": [choice]}
    return Reply(body | {"usage": _usage(is_chat=True)})


def instance_of(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """Something small that keeps a schema."""
    root = root or schema
    if "$ref" in schema:
        return instance_of(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return instance_of(schema[choice][0], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: instance_of(each, root) for name, each in schema.get("properties", {}).items()}
    return {"array": [], "string": "text", "number": 0.5, "integer": 1, "boolean": False}.get(str(kind))


class Provider:
    """Answers on a free port of loopback; keeps what it was asked."""

    def __init__(self, *habits: Habit) -> None:
        self.habits = list(habits)
        self.asked: list[Asked] = []
        self.base_url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Provider"]:
        """Listens meanwhile; every answer closes its connection."""
        async with listening(self._handle) as port:
            self.base_url = f"http://127.0.0.1:{port}/v1"
            yield self

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            asked = await _read(reader)
            self.asked.append(asked)
            await _write(writer, await self.reply(asked))

    async def reply(self, asked: Asked) -> Reply:
        """What the first habit that has something to say answers, or an answer that keeps the schema."""
        found = (reply for habit in self.habits if (reply := habit(asked)) is not None)
        return next(found, None) or answer(asked, _whole(asked))


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    parts = urlsplit(first.split(" ")[1])
    return Asked(parts.path, parse_qs(parts.query), headers, json.loads(body))


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
    headers = {"Content-Type": "application/json", "Connection": "close"} | reply.headers
    if not reply.hangs:
        headers["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    if reply.hangs:
        await asyncio.sleep(3600)


def _whole(asked: Asked) -> str:
    """The answer's text where nothing else is said."""
    schema = asked.schema or asked.described_schema
    return json.dumps(instance_of(schema)) if schema else "{}"


def _text(text: str) -> list[dict[str, str]]:
    return [{"type": "output_text", "text": text}]


def _usage(*, is_chat: bool) -> dict[str, Any]:
    into, out_of = ("prompt_tokens", "completion_tokens") if is_chat else ("input_tokens", "output_tokens")
    return {into: PROMPT_TOKENS, out_of: ANSWER_TOKENS, f"{into}_details": {"cached_tokens": 0}}


def _envelope(asked: Asked, output: list[Any]) -> dict[str, Any]:
    head = {"id": "r-1", "object": "response", "status": "completed", "model": asked.body["model"]}
    return head | {"output": output, "usage": _usage(is_chat=False)}


def _events(asked: Asked, parts: list[str]) -> list[Any]:
    return [{"type": "response.output_text.delta", "item_id": "m", "delta": part} for part in parts]


def _response_end(asked: Asked, text: str) -> list[Any]:
    whole = _envelope(asked, [{"type": "message", "content": _text(text)}])
    return [{"type": "response.completed", "response": whole}]


def _chunks(asked: Asked, parts: list[str]) -> list[Any]:
    head = {"id": "c-1", "object": "chat.completion.chunk", "model": asked.body["model"]}
    return [head | {"choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]


def _chat_end(asked: Asked) -> list[Any]:
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [last, {"choices": [], "usage": _usage(is_chat=True)}, "[DONE]"]


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for each in value for text in _strings(each)] if isinstance(value, list) else []
