"""What a caller gives a run beside its idea, between the wire and the text that its row holds. Pure.

Digests are taken over that text: numbers stay as the wire has them, and `5` is `5.0`. `schema.json_data`,
which makes integers of whole numbers, reads it back all the same.
"""

import json
import math
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from consensus.v1 import run_pb2
from consensus_rpc.errors import InvalidField
from persistence_service.schema.json_data import json_struct


def context_text(context: run_pb2.ExtraContext, field: str) -> str:
    """The context as JSON text; `field` is what errors call it.

    Raises:
        InvalidField: neither text nor an object, or a number in it that is not finite.
    """
    match context.WhichOneof("form"):
        case "text":
            return _text({"text": context.text})
        case "object":
            return _text({"object": _plain_struct(context.object, field)})
        case _:
            raise InvalidField(field=field, description="is text or an object")


def context_message(text: str) -> run_pb2.ExtraContext:
    """The context that the text was made of."""
    form = json.loads(text)
    if "text" in form:
        return run_pb2.ExtraContext(text=form["text"])
    return run_pb2.ExtraContext(object=json_struct(form["object"]))


def _text(form: dict[str, Any]) -> str:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def _plain_struct(struct: Struct, field: str) -> dict[str, Any]:
    return {key: _plain_value(struct.fields[key], field) for key in sorted(struct.fields)}


def _plain_value(value: Value, field: str) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _plain_struct(value.struct_value, field)
        case "list_value":
            return [_plain_value(item, field) for item in value.list_value.values]
        case "null_value" | None:
            return None
        case "number_value" if not math.isfinite(value.number_value):
            raise InvalidField(field=field, description="holds finite numbers only")
        case kind:
            return getattr(value, kind)
