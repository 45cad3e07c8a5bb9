"""Wire objects of the Responses API as plain JSON values, in the fields that openai 3.52 models. Pure."""

import itertools
import secrets
import time
from dataclasses import dataclass
from typing import Any

from offline_model import MODEL_NAME
from offline_model.answers import token_count
from offline_model.ask import Ask

JsonObject = dict[str, Any]


_serial = itertools.count(1)
_prefix = secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ends: its status, and what the status needs."""

    status: str = "completed"
    incomplete_reason: str | None = None
    error: JsonObject | None = None


def new_id(kind: str) -> str:
    """Return an id such as `resp_…`, unique across processes."""
    return f"{kind}_{_prefix}{next(_serial):016x}"


def text_part(text: str) -> JsonObject:
    """Return a content part that holds output text."""
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def refusal_part(refusal: str) -> JsonObject:
    """Return a content part in which the model refuses."""
    return {"type": "refusal", "refusal": refusal}


def response(ask: Ask, parts: list[JsonObject], ending: Ending, cached_tokens: int) -> JsonObject:
    """Return a whole response object; without parts it has no output item."""
    body = ask.body
    now = int(time.time())
    item_status = "completed" if ending.status == "completed" else "incomplete"
    message = {
        "id": new_id("msg"),
        "type": "message",
        "status": item_status,
        "role": "assistant",
        "content": parts,
    }
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": now,
        "status": ending.status,
        "background": False,
        "completed_at": now if ending.status == "completed" else None,
        "error": ending.error,
        "incomplete_details": {"reason": ending.incomplete_reason} if ending.incomplete_reason else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": ask.max_output_tokens,
        "max_tool_calls": None,
        "metadata": body.get("metadata") or {},
        "model": MODEL_NAME,
        "output": [message] if parts else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": _usage(ask, parts, cached_tokens),
        "user": None,
    }


def _usage(ask: Ask, parts: list[JsonObject], cached_tokens: int) -> JsonObject:
    instructions = ask.instructions()
    input_tokens = token_count(ask.text) + (token_count(instructions) if instructions else 0)
    output_tokens = sum(token_count(part.get("text") or part.get("refusal") or "") for part in parts)
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": min(cached_tokens, input_tokens), "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def error_body(
    message: str, error_type: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> JsonObject:
    """Return the body of an error answer."""
    return {"error": {"message": message, "type": error_type, "param": param, "code": code}}
