"""A response as the server-sent events of `stream: true`. Pure."""

import json
from collections.abc import Iterator

from offline_model.responses import JsonObject

_DELTA_LENGTH = 256


def event_stream(whole: JsonObject) -> bytes:
    """Return the events of a response, in the order and with the numbers that the API gives them."""
    lines = []
    for number, event in enumerate(_events(whole)):
        data = json.dumps({**event, "sequence_number": number}, separators=(",", ":"))
        lines.append(f"event: {event['type']}\ndata: {data}\n\n")
    return "".join(lines).encode()


def _events(whole: JsonObject) -> Iterator[JsonObject]:
    started = {
        **whole,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "completed_at": None,
        "error": None,
    }
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for index, item in enumerate(whole["output"]):
        yield from _item_events(index, item)
    yield {"type": f"response.{whole['status']}", "response": whole}


def _item_events(index: int, item: JsonObject) -> Iterator[JsonObject]:
    opened = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": opened}
    for content_index, part in enumerate(item["content"]):
        place = {"item_id": item["id"], "output_index": index, "content_index": content_index}
        field = "text" if part["type"] == "output_text" else "refusal"
        name = "output_text" if field == "text" else "refusal"
        extra: JsonObject = {"logprobs": []} if field == "text" else {}
        whole: str = part[field]
        yield {"type": "response.content_part.added", **place, "part": {**part, field: ""}}
        for start in range(0, len(whole), _DELTA_LENGTH):
            delta = whole[start : start + _DELTA_LENGTH]
            yield {"type": f"response.{name}.delta", **place, "delta": delta, **extra}
        yield {"type": f"response.{name}.done", **place, field: whole, **extra}
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}
