"""Something small that keeps a JSON schema: the answer to a question that the rules know nothing of. Pure."""

from collections.abc import Mapping
from typing import Any

_EXAMPLES: Mapping[str, Any] = {"array": [], "string": "text", "number": 0, "integer": 0, "boolean": True}
_MAX_DEPTH = 20


def instance_of(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that the schema's types and enumerations allow; it knows no references and no bounds."""
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return values[0]
    kind = schema.get("type")
    if kind != "object" or depth > _MAX_DEPTH:
        return _EXAMPLES.get(kind) if isinstance(kind, str) else None
    properties = schema.get("properties")
    fields = properties if isinstance(properties, dict) else {}
    return {name: instance_of(each, depth + 1) for name, each in fields.items() if isinstance(each, dict)}
